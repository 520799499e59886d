// The engine's memory. The engine cuts its small values out of arenas, which it asks for one at a time and each of which
// is a little smaller than a page. They get a page each, the lowest that is free, so that what is free again can be given
// back to the kernel page by page (heap_trim): of a C library's heap only what happens to lie at an end can. Everything
// larger or smaller comes from the C library.
#include <stdlib.h>
#include <malloc.h>
#include <sys/mman.h>
#include "host.h"

#define PAGE 4096
// What the engine asks for: the largest number of values of one size that fits 4096 bytes with its header; 3704 for the
// largest values (512 bytes).
#define ARENA_MIN 3584
#define POOL (HEAP_LIMIT / PAGE)
#define STEP 64 // pages made usable at a time
#define WORD 64

static uint8_t *pool; // address space for all; usable up to `made`
static unsigned made, lowest; // pages; no page below `lowest` is free
static uint64_t taken[POOL / WORD];

static bool in_pool(const void *p) { return pool != NULL && (const uint8_t *)p >= pool && (const uint8_t *)p < pool + HEAP_LIMIT; }

static bool is_taken(unsigned page) { return taken[page / WORD] >> page % WORD & 1; }

static unsigned next_free(unsigned page) {
  while (page < made && is_taken(page)) page += taken[page / WORD] == ~UINT64_C(0) ? WORD - page % WORD : 1;
  return page < made ? page : made;
}

// NULL where the pool is full, or cannot be had.
static void *take_page(void) {
  if (pool == NULL) {
    void *space = mmap(NULL, HEAP_LIMIT, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (space == MAP_FAILED) return NULL;
    pool = space;
  }
  unsigned page = next_free(lowest);
  if (page == made) {
    if (made == POOL) return NULL;
    if (mprotect(pool + (size_t)made * PAGE, STEP * PAGE, PROT_READ | PROT_WRITE) < 0) return NULL;
    made += STEP;
  }
  taken[page / WORD] |= UINT64_C(1) << page % WORD;
  lowest = page + 1;
  return pool + (size_t)page * PAGE;
}

static void give_page(void *p) {
  unsigned page = (unsigned)(((uint8_t *)p - pool) / PAGE);
  taken[page / WORD] &= ~(UINT64_C(1) << page % WORD);
  if (page < lowest) lowest = page;
}

uint8_t scratch[64 << 10] __attribute__((aligned(PAGE)));

// How far below us the stack may have been used. What lies there was left by calls that have returned.
#define STACK_LEFT (96 << 10)

static void trim_stack(void) {
  uintptr_t here = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)(PAGE - 1);
  madvise((void *)(here - STACK_LEFT), STACK_LEFT - PAGE, MADV_DONTNEED);
}

void heap_trim(void) {
  trim_stack();
  madvise(scratch, sizeof scratch, MADV_DONTNEED);
  for (unsigned from = next_free(0); from < made;) {
    unsigned to = from;
    while (to < made && !is_taken(to)) to++;
    madvise(pool + (size_t)from * PAGE, (size_t)(to - from) * PAGE, MADV_DONTNEED);
    from = next_free(to);
  }
}

static size_t size_of(const void *p) {
  if (p == NULL) return 0;
  return in_pool(p) ? PAGE : malloc_usable_size((void *)(uintptr_t)p);
}

static void *counted(JSMallocState *s, void *p) {
  if (p == NULL) return NULL;
  s->malloc_count++;
  s->malloc_size += size_of(p);
  return p;
}

static void *heap_malloc(JSMallocState *s, size_t size) {
  if (s->malloc_size + size > s->malloc_limit) return NULL;
  void *page = size >= ARENA_MIN && size <= PAGE ? take_page() : NULL;
  return counted(s, page != NULL ? page : malloc(size));
}

static void heap_free(JSMallocState *s, void *p) {
  if (p == NULL) return;
  s->malloc_count--;
  s->malloc_size -= size_of(p);
  if (in_pool(p)) give_page(p);
  else free(p);
}

static void *heap_realloc(JSMallocState *s, void *p, size_t size) {
  if (p == NULL) return size == 0 ? NULL : heap_malloc(s, size);
  if (size == 0) {
    heap_free(s, p);
    return NULL;
  }
  size_t before = size_of(p);
  if (s->malloc_size - before + size > s->malloc_limit) return NULL;
  if (in_pool(p)) { // an array that happened to be as large as an arena
    void *moved = heap_malloc(s, size);
    if (moved == NULL) return NULL;
    memcpy(moved, p, before < size ? before : size);
    heap_free(s, p);
    return moved;
  }
  void *moved = realloc(p, size);
  if (moved != NULL) s->malloc_size += size_of(moved) - before;
  return moved;
}

const JSMallocFunctions heap_functions = {heap_malloc, heap_free, heap_realloc, size_of};
