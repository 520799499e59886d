// Gives back to the kernel what Node cannot. An add-on for Node (node_api.h), linked against nothing: what it calls is in the
// process.
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

extern int napi_create_function(
  napi_env env, const char *name, size_t length, napi_callback call, void *data, napi_value *result);

// Unmaps the pages of the program's code and constants, those of its start among them, which is over. They are clean copies
// of the file (elf(5): a segment that is never written has no relocations): what is used again comes back from the page
// cache, sixteen pages a fault.
static int forget_code(struct dl_phdr_info *object, size_t size, void *data) {
  (void)size;
  (void)data;
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
    size_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_memsz;
    start = (start + page - 1) / page * page;
    end = end / page * page;
    if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 1; // the program itself comes first, and its libraries are small
}

// What has been freed: glibc gives it back by itself only at the end of its heap, and one small piece that is in use there
// keeps hundreds of megabytes (malloc_trim(3)).
static napi_value trim(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  malloc_trim(0);
  dl_iterate_phdr(forget_code, 0);
  return 0;
}

int node_api_module_get_api_version_v1(void) { return 8; }

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function = 0;
  return napi_create_function(env, "trim", sizeof "trim" - 1, trim, 0, &function) == 0 ? function : exports;
}
