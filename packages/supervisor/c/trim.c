// Gives what has been freed back to the kernel (malloc_trim(3)), which Node cannot: glibc does it by itself only at the end
// of its heap, and one small piece that is in use there keeps hundreds of megabytes. An add-on for Node (node_api.h),
// linked against nothing: what it calls is in the process.
typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

extern int napi_create_function(
  napi_env env, const char *name, __SIZE_TYPE__ length, napi_callback call, void *data, napi_value *result);
extern int malloc_trim(__SIZE_TYPE__ pad);

static napi_value trim(napi_env env, napi_callback_info info) {
  (void)env;
  (void)info;
  malloc_trim(0);
  return 0;
}

int node_api_module_get_api_version_v1(void) { return 8; }

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function = 0;
  return napi_create_function(env, "trim", sizeof "trim" - 1, trim, 0, &function) == 0 ? function : exports;
}
