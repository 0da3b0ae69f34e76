/* Preloaded: counts the calls that change files below a directory, and lets the k-th
   fail, or everything after it, as if the process had been killed there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, ONE, FULL, DEAD }; /* FULL: nothing grows any more from call k on */
static char root[PATH_MAX];
static int armed, kind, at, number, calls, failed;

void faults_arm(const char *directory, int how, int call, int error) {
  strncpy(root, directory, sizeof root - 1);
  kind = how; at = call; number = error; calls = failed = 0; armed = 1;
}
int faults_disarm(void) { armed = 0; return calls; }
int faults_failed(void) { return failed; }

static int below(int folder, const char *path) {
  if (!armed) return 0;
  char where[PATH_MAX], link[64];
  if (path && path[0] == '/') return !strncmp(path, root, strlen(root));
  if (folder < 0) return 0;
  int saved = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t n = readlink(link, where, sizeof where - 1);
  errno = saved;
  return n > 0 && !strncmp((where[n] = 0, where), root, strlen(root));
}

/* Whether this call is to fail; grows: it needs room on the disk. */
static int fails(int grows) {
  int call = __sync_add_and_fetch(&calls, 1);
  int now = kind == ONE ? call == at : kind == FULL ? call >= at && grows
          : kind == DEAD ? call > at : 0;
  if (now) { failed++; errno = kind == DEAD ? EIO : number; }
  return now;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))

int open(const char *p, int f, ...) {
  va_list a; va_start(a, f); mode_t m = va_arg(a, mode_t); va_end(a);
  if (CHANGES(f) && below(-1, p) && fails(1)) return -1;
  return REAL(open)(p, f, m);
}
int open64(const char *p, int f, ...) {
  va_list a; va_start(a, f); mode_t m = va_arg(a, mode_t); va_end(a);
  if (CHANGES(f) && below(-1, p) && fails(1)) return -1;
  return REAL(open64)(p, f, m);
}
FILE *fopen(const char *p, const char *m) {
  if (m[0] != 'r' && below(-1, p) && fails(1)) return NULL;
  return REAL(fopen)(p, m);
}
FILE *fopen64(const char *p, const char *m) {
  if (m[0] != 'r' && below(-1, p) && fails(1)) return NULL;
  return REAL(fopen64)(p, m);
}
ssize_t write(int fd, const void *b, size_t n) {
  if (n && below(fd, NULL) && fails(1)) return -1;
  return REAL(write)(fd, b, n);
}
size_t fwrite(const void *b, size_t s, size_t n, FILE *f) {
  if (armed && below(fileno(f), NULL) && fails(1)) return 0;
  return REAL(fwrite)(b, s, n, f);
}
size_t fwrite_unlocked(const void *b, size_t s, size_t n, FILE *f) {
  if (armed && below(fileno(f), NULL) && fails(1)) return 0;
  return REAL(fwrite_unlocked)(b, s, n, f);
}
int fflush(FILE *f) {
  if (f && armed && below(fileno(f), NULL) && fails(1)) return EOF;
  return REAL(fflush)(f);
}
int fsync(int fd) { return below(fd, NULL) && fails(0) ? -1 : REAL(fsync)(fd); }
int ftruncate(int fd, off_t n) {
  return below(fd, NULL) && fails(0) ? -1 : REAL(ftruncate)(fd, n);
}
int ftruncate64(int fd, off64_t n) {
  return below(fd, NULL) && fails(0) ? -1 : REAL(ftruncate64)(fd, n);
}
int rename(const char *a, const char *b) {
  return below(-1, b) && fails(0) ? -1 : REAL(rename)(a, b);
}
int renameat2(int c, const char *a, int d, const char *b, unsigned f) {
  return below(d, b) && fails(0) ? -1 : REAL(renameat2)(c, a, d, b, f);
}
int mkdir(const char *p, mode_t m) {
  return below(-1, p) && fails(1) ? -1 : REAL(mkdir)(p, m);
}
int chmod(const char *p, mode_t m) {
  return below(-1, p) && fails(0) ? -1 : REAL(chmod)(p, m);
}
int unlink(const char *p) { return below(-1, p) && fails(0) ? -1 : REAL(unlink)(p); }
int unlinkat(int d, const char *p, int f) {
  return below(d, p) && fails(0) ? -1 : REAL(unlinkat)(d, p, f);
}
int rmdir(const char *p) { return below(-1, p) && fails(0) ? -1 : REAL(rmdir)(p); }
