/* Owns zlib's state and the copy of the dictionary. Invariant: both are there while the state is
   not CLOSED. Whoever has the coder calls, from one thread at a time. */
#include "zlib/coder.h"

#include <string.h>

#include "zlib/test_memory.h"

static const uInt step_max = 1u << 30; /* zlib counts in 32 bits */

void kio_zlib_coder_fail(kio_zlib_coder *coder, const char *words, const char *code) {
  coder->state = KIO_ZLIB_FAILED;
  coder->words = words;
  coder->code = code;
}

/* ---- making it ---- */

static int window_bits(const kio_zlib_setup *setup) {
  switch (setup->format) {
  case KIO_ZLIB_RAW: return -setup->window;
  case KIO_ZLIB_GZIP: return setup->window + 16;
  case KIO_ZLIB_AUTO: return setup->window + 32;
  default: return setup->window;
  }
}

static bool start(kio_zlib_coder *coder) {
  const kio_zlib_setup *setup = &coder->setup;
  kio_zlib_test_memory_use(&coder->z);
  int result = coder->inflates
                   ? inflateInit2(&coder->z, window_bits(setup))
                   : deflateInit2(&coder->z, setup->level, Z_DEFLATED, window_bits(setup),
                                  setup->memory, Z_DEFAULT_STRATEGY);
  if (result == Z_OK) coder->state = KIO_ZLIB_OPEN;
  return result == Z_OK;
}

static bool copy_dictionary(kio_zlib_coder *coder, const char *bytes, size_t size) {
  if (!bytes) return true;
  coder->dictionary = coder->z.zalloc(coder->z.opaque, 1, (uInt)size + 1);
  if (!coder->dictionary) return false;
  memcpy(coder->dictionary, bytes, size);
  coder->dictionary_size = (uInt)size;
  return true;
}

/* What knows it before the first byte; an inflater of zlib's format asks for it in the data. */
static void set_dictionary(kio_zlib_coder *coder) {
  if (!coder->dictionary) return;
  if (!coder->inflates) {
    deflateSetDictionary(&coder->z, coder->dictionary, coder->dictionary_size);
  } else if (coder->setup.format == KIO_ZLIB_RAW &&
             inflateSetDictionary(&coder->z, coder->dictionary, coder->dictionary_size) != Z_OK) {
    kio_zlib_coder_fail(coder, "not enough memory", "ENOMEM");
  }
}

bool kio_zlib_coder_init(kio_zlib_coder *coder, bool inflates, const kio_zlib_setup *setup,
                         const char *dictionary, size_t dictionary_size) {
  *coder = (kio_zlib_coder){.inflates = inflates, .setup = *setup};
  if (!start(coder)) return false;
  if (!copy_dictionary(coder, dictionary, dictionary_size)) {
    kio_zlib_coder_fini(coder);
    return false;
  }
  set_dictionary(coder);
  return true;
}

void kio_zlib_coder_fini(kio_zlib_coder *coder) {
  if (coder->state == KIO_ZLIB_CLOSED) return;
  coder->state = KIO_ZLIB_CLOSED;
  if (coder->dictionary) coder->z.zfree(coder->z.opaque, coder->dictionary);
  coder->dictionary = NULL;
  if (coder->inflates) inflateEnd(&coder->z);
  else deflateEnd(&coder->z);
}

void kio_zlib_coder_reset(kio_zlib_coder *coder) {
  if (coder->inflates) inflateReset(&coder->z);
  else deflateReset(&coder->z);
  coder->state = KIO_ZLIB_OPEN;
  coder->finished = false;
  coder->in = coder->out = 0;
  set_dictionary(coder);
}

/* ---- a step ---- */

static int inflate_step(kio_zlib_coder *coder) {
  int result = inflate(&coder->z, Z_NO_FLUSH);
  if (result != Z_NEED_DICT || !coder->dictionary) return result;
  result = inflateSetDictionary(&coder->z, coder->dictionary, coder->dictionary_size);
  return result == Z_OK ? inflate(&coder->z, Z_NO_FLUSH) : result;
}

/* What zlib has said, unless all is well. */
static void judge(kio_zlib_coder *coder, int result) {
  switch (result) {
  case Z_OK:
  case Z_BUF_ERROR: return; /* no progress without more input or room */
  case Z_STREAM_END: coder->state = KIO_ZLIB_ENDED; return;
  case Z_MEM_ERROR: kio_zlib_coder_fail(coder, "not enough memory", "ENOMEM"); return;
  case Z_NEED_DICT: kio_zlib_coder_fail(coder, "a dictionary is needed", "EBADMSG"); return;
  default: /* zlib's words are constants */
    kio_zlib_coder_fail(coder, coder->z.msg ? coder->z.msg : "wrong dictionary", "EBADMSG");
  }
}

static bool is_within(const kio_zlib_coder *coder) {
  if (coder->out > coder->setup.out_max) return false;
  return coder->out <= KIO_ZLIB_FREE ||
         (double)coder->out <= coder->setup.ratio_max * (double)coder->in;
}

static uInt least(uint64_t one, uint64_t other) {
  uint64_t least = one < other ? one : other;
  return least < step_max ? (uInt)least : step_max;
}

/* Room for one byte beyond what is allowed, which then is seen. */
static uInt room_of(const kio_zlib_coder *coder, size_t size) {
  uint64_t left = coder->setup.out_max - coder->out;
  return least(size, left < UINT64_MAX ? left + 1 : left);
}

/* Behind the end of a gzip member another one begins. */
static bool is_between(const kio_zlib_coder *coder) {
  return coder->setup.members && coder->state == KIO_ZLIB_ENDED;
}

static void begin_member(kio_zlib_coder *coder) {
  inflateReset(&coder->z);
  coder->state = KIO_ZLIB_OPEN;
}

bool kio_zlib_coder_step(kio_zlib_coder *coder, const char *in, size_t *in_size, char *out,
                         size_t *out_size, int how) {
  z_stream *z = &coder->z;
  if (is_between(coder) && *in_size > 0) begin_member(coder);
  uInt given = least(*in_size, step_max), room = room_of(coder, *out_size);
  bool clipped = given < *in_size;
  z->next_in = (z_const Bytef *)(uintptr_t)in; /* which is only read */
  z->avail_in = given;
  z->next_out = (Bytef *)out;
  z->avail_out = room;
  judge(coder, coder->inflates ? inflate_step(coder) : deflate(z, clipped ? Z_NO_FLUSH : how));
  *in_size = given - z->avail_in;
  *out_size = room - z->avail_out;
  coder->in += *in_size;
  coder->out += *out_size;
  if (coder->state != KIO_ZLIB_FAILED && !is_within(coder)) {
    kio_zlib_coder_fail(coder, "more than is allowed would come out", "EMSGSIZE");
  }
  bool is_left = clipped || z->avail_in > 0;
  if (is_between(coder)) return is_left;
  return coder->state == KIO_ZLIB_OPEN && (is_left || z->avail_out == 0);
}

void kio_zlib_coder_finish(kio_zlib_coder *coder) {
  coder->finished = true;
  if (coder->state == KIO_ZLIB_OPEN) {
    kio_zlib_coder_fail(coder, "the data end too soon", "ENODATA");
  }
}
