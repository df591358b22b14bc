---Media types by the endings of names.
local _ENV = require "kio.core".globals

local types = {}

local TEXT = "; charset=utf-8"

local known = {
  html = "text/html" .. TEXT, htm = "text/html" .. TEXT, css = "text/css" .. TEXT,
  txt = "text/plain" .. TEXT, md = "text/markdown" .. TEXT, csv = "text/csv" .. TEXT,
  js = "text/javascript" .. TEXT, mjs = "text/javascript" .. TEXT, xml = "text/xml" .. TEXT,
  vtt = "text/vtt" .. TEXT, ics = "text/calendar" .. TEXT, log = "text/plain" .. TEXT,
  json = "application/json", map = "application/json", webmanifest = "application/manifest+json",
  jsonld = "application/ld+json", pdf = "application/pdf", wasm = "application/wasm",
  zip = "application/zip", gz = "application/gzip", tar = "application/x-tar",
  bz2 = "application/x-bzip2", xz = "application/x-xz", zst = "application/zstd",
  ["7z"] = "application/x-7z-compressed", rtf = "application/rtf", epub = "application/epub+zip",
  png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg", gif = "image/gif",
  webp = "image/webp", avif = "image/avif", svg = "image/svg+xml", ico = "image/x-icon",
  bmp = "image/bmp", tif = "image/tiff", tiff = "image/tiff",
  mp3 = "audio/mpeg", ogg = "audio/ogg", oga = "audio/ogg", opus = "audio/ogg", wav = "audio/wav",
  flac = "audio/flac", m4a = "audio/mp4", aac = "audio/aac",
  mp4 = "video/mp4", m4v = "video/mp4", webm = "video/webm", ogv = "video/ogg",
  mov = "video/quicktime", avi = "video/x-msvideo", mkv = "video/x-matroska",
  woff = "font/woff", woff2 = "font/woff2", ttf = "font/ttf", otf = "font/otf",
  atom = "application/atom+xml", rss = "application/rss+xml",
}

---The type of a file of that name.
---@param name string
---@return string
function types.of(name)
  local ending = string.match(name, "%.([^./]+)$")
  return ending and known[string.lower(ending)] or "application/octet-stream"
end

return types
