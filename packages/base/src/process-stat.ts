/**
 * Who a process is, by the text of its proc_pid_stat(5): its start time (field 22, clock ticks since boot), with which its
 * number names one process for one boot. Null where it has ended, or there is no such text; a zombie has ended.
 */
export function startTimeIn(stat: string): string | null {
  // The name is in parentheses and may hold any character, so count from the last one.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  return state === "Z" || state === "X" ? null : (fields[19] ?? null);
}
