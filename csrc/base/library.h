/* The shared object that this code lies in. */
#ifndef KIO_BASE_LIBRARY_H
#define KIO_BASE_LIBRARY_H

/* Keeps this code loaded for the rest of the process, also when the Lua state that has loaded it is
   closed: for what may call into it later. Any thread may call this, and more than once. */
void kio_library_stay(void);

#endif
