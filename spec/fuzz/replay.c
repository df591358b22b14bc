/* Runs kept inputs through a fuzzing target, without libFuzzer: build/asan/fuzz/address <folder> */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 1 << 16 };

/* Each input lies in memory of its own size, so that a sanitizer sees its end. */
static void run_file(const char *path) {
  static uint8_t room[INPUT_MAX];
  FILE *file = fopen(path, "rb");
  if (!file) {
    perror(path);
    exit(1);
  }
  size_t size = fread(room, 1, sizeof room, file);
  fclose(file);
  uint8_t *data = malloc(size + 1);
  if (!data) exit(1);
  memcpy(data, room, size);
  fprintf(stderr, "%s\n", path);
  LLVMFuzzerTestOneInput(data, size);
  free(data);
}

static int run_folder(const char *folder) {
  char path[512];
  int count = 0;
  DIR *dir = opendir(folder);
  struct dirent *entry;
  while (dir && (entry = readdir(dir))) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    run_file(path);
    count++;
  }
  if (dir) closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  int count = 0;
  for (int i = 1; i < argc; i++) count += run_folder(argv[i]);
  printf("%d inputs\n", count);
  return count > 0 ? 0 : 1;
}
