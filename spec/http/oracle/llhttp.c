/* What llhttp makes of messages: its C sources, as Debian's node-llhttp installs them, over a pipe.
   In: "R 12\n" (a request; "S": a response) and that many bytes, again and again. Out, for each:
   "ok", its first line, its fields, its trailers, its body and its end, a line each; or "no" and
   why; or "more"; then ".". */
#include <llhttp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 1 << 16 };

/* Spans come in pieces: all are gathered, and written when the message is whole. */
typedef struct text {
  char bytes[ROOM];
  size_t size;
} text;

static struct {
  text url, name, value, fields, body;
  bool in_trailers;
  bool is_whole;
} seen;

static void add(text *t, const char *bytes, size_t size) {
  if (t->size + size > ROOM) abort();
  if (size > 0) memcpy(t->bytes + t->size, bytes, size);
  t->size += size;
}

static int on_url(llhttp_t *p, const char *at, size_t size) {
  (void)p;
  add(&seen.url, at, size);
  return 0;
}

static int on_name(llhttp_t *p, const char *at, size_t size) {
  (void)p;
  add(&seen.name, at, size);
  return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t size) {
  (void)p;
  add(&seen.value, at, size);
  return 0;
}

/* The white space behind a value is left on it. */
static int on_value_end(llhttp_t *p) {
  text *value = &seen.value;
  (void)p;
  while (value->size > 0 && strchr(" \t", value->bytes[value->size - 1])) value->size--;
  add(&seen.fields, seen.in_trailers ? "+" : ":", 1);
  add(&seen.fields, seen.name.bytes, seen.name.size);
  add(&seen.fields, ": ", 2);
  add(&seen.fields, value->bytes, value->size);
  add(&seen.fields, "\n", 1);
  seen.name.size = value->size = 0;
  return 0;
}

/* That these have no body, whatever they declare, llhttp leaves to its user. */
static int on_head(llhttp_t *p) {
  int status = p->type == HTTP_RESPONSE ? p->status_code : 200;
  seen.in_trailers = true;
  return status < 200 || status == 204 || status == 304;
}

static int on_body(llhttp_t *p, const char *at, size_t size) {
  (void)p;
  add(&seen.body, at, size);
  return 0;
}

static int on_whole(llhttp_t *p) {
  (void)p;
  seen.is_whole = true;
  return HPE_PAUSED;
}

static void tell(const llhttp_t *p, bool is_request, size_t end) {
  const char *method = llhttp_method_name((llhttp_method_t)p->method);
  printf("ok\n");
  if (is_request)
    printf("%s %.*s %d.%d\n", method, (int)seen.url.size, seen.url.bytes, p->http_major,
           p->http_minor);
  else printf("%03d %d.%d\n", p->status_code, p->http_major, p->http_minor);
  fwrite(seen.fields.bytes, 1, seen.fields.size, stdout);
  printf("=");
  for (size_t i = 0; i < seen.body.size; i++) printf("%02x", (unsigned char)seen.body.bytes[i]);
  printf("\n@%zu\n.\n", end);
}

static void look_at(const char *bytes, size_t size, bool is_request) {
  static llhttp_settings_t settings;
  llhttp_t p;
  llhttp_settings_init(&settings);
  settings.on_url = on_url;
  settings.on_header_field = on_name;
  settings.on_header_value = on_value;
  settings.on_header_value_complete = on_value_end;
  settings.on_headers_complete = on_head;
  settings.on_body = on_body;
  settings.on_message_complete = on_whole;
  seen.url.size = seen.name.size = seen.value.size = seen.fields.size = seen.body.size = 0;
  seen.in_trailers = seen.is_whole = false;
  llhttp_init(&p, is_request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
  llhttp_errno_t err = llhttp_execute(&p, bytes, size);
  const char *end = bytes + size;
  if (err == HPE_OK && !is_request && llhttp_message_needs_eof(&p)) llhttp_finish(&p);
  else if (err != HPE_OK) end = llhttp_get_error_pos(&p);
  if (seen.is_whole) tell(&p, is_request, (size_t)(end - bytes));
  else if (err == HPE_OK) printf("more\n.\n");
  else printf("no %s %s\n.\n", llhttp_errno_name(err), p.reason ? p.reason : "");
}

int main(void) {
  static char bytes[ROOM];
  char kind;
  size_t size;
  while (scanf(" %c %zu", &kind, &size) == 2) {
    if (size > ROOM || getchar() != '\n') return 1;
    if (fread(bytes, 1, size, stdin) != size) return 1;
    look_at(bytes, size, kind == 'R');
  }
  return 0;
}
