#!/bin/busybox sh
# Takes an OCI runtime's command line and makes no containers: a process is a sleep, so that thousands of calls take
# seconds. What is wanted of an exec stands in its id: one that begins with "fail" fails, "silent" leaves no pid file,
# "garbage" writes nonsense into its log, "foreign" names a process of somebody else.
PATH=/bin:/usr/bin
log=/dev/null
root=/dev/null
while [ $# -gt 0 ]; do
  case $1 in
  --log) log=$2; shift 2 ;;
  --root) root=$2; shift 2 ;;
  --log-format) shift 2 ;;
  --systemd-cgroup) shift ;;
  *) break ;;
  esac
done
command=$1
pidfile=/dev/null
console=
last=
for each; do
  [ "$last" = --pid-file ] && pidfile=$each
  [ "$last" = --console-socket ] && console=$each
  before=$last
  last=$each
done
case $root in
/tmp/*) mkdir -p "$root" ;;
*) root=/tmp/no-such-root ;;
esac
if [ -n "$console" ]; then
  echo '{"level":"error","msg":"there are no terminals here"}' >>"$log"
  exit 1
fi
case $command in
create | restore)
  sleep 1000 &
  echo $! >"$pidfile"
  echo $! >"$root/$last.pid"
  ;;
exec)
  case $pidfile in
  *fail*) echo '{"level":"error","msg":"as was asked for"}' >>"$log"; exit 1 ;;
  *garbage*) printf 'null\n[]\n{"level":"error","msg":7}\n"x"\n{' >>"$log"; exit 1 ;;
  *silent*) exit 0 ;;
  *foreign*) echo 1 >"$pidfile"; exit 0 ;;
  esac
  # Longer than this script: a shell may reap what ends before it.
  (echo output; sleep 0.02; exit 3) &
  echo $! >"$pidfile"
  ;;
kill) kill "-$last" "$(cat "$root/$before.pid")" 2>/dev/null ;;
pause)
  if [ -e "$root/../no-pause" ]; then
    echo '{"level":"error","msg":"no pause today"}' >>"$log"
    exit 1
  fi
  ;;
delete) kill -9 "$(cat "$root/$last.pid" 2>/dev/null)" 2>/dev/null ;;
esac
exit 0
