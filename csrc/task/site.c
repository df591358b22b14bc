/* Owns the places where tasks are spawned. Called by the scheduler's thread only. */
#include "task/site.h"

#include <string.h>

#include "base/base.h"
#include "base/memory.h"

static kio_site **place_of(kio_sites *sites, int line) {
  return &sites->recent[(unsigned)line % KIO_COUNT(sites->recent)];
}

static kio_site *new_site(const char *file, int line) {
  size_t size = strlen(file) + 1;
  kio_site *site = kio_memory_new(sizeof *site + size);
  if (!site) return NULL;
  site->holders = 0;
  site->line = line;
  memcpy(site->file, file, size);
  return site;
}

kio_site *kio_site_hold(kio_sites *sites, const char *file, int line) {
  kio_site **place = place_of(sites, line);
  bool same = *place && (*place)->line == line && strcmp((*place)->file, file) == 0;
  if (!same) *place = new_site(file, line); /* the one before is its holders' */
  if (*place) (*place)->holders++;
  return *place;
}

void kio_site_drop(kio_sites *sites, kio_site *site) {
  if (!site || --site->holders > 0) return;
  kio_site **place = place_of(sites, site->line);
  if (*place == site) *place = NULL;
  kio_memory_free(site);
}
