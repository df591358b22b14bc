/* The kernel this runs on. Any thread may call. */
#ifndef KIO_SYSTEM_KERNEL_H
#define KIO_SYSTEM_KERNEL_H

/* A version as one number that can be compared. */
#define KIO_KERNEL(major, minor) ((major)*1000 + (minor))

/* Its version; 0 when it does not say. */
int kio_kernel_version(void);

#endif
