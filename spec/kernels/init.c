/* The first process of a system that kernels_spec.lua boots: makes what programs expect, runs the
   shell script that it is given as its argument, and switches the machine off. */
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void mount_at(const char *type, const char *where) {
  mkdir(where, 0755);
  if (mount(type, where, type, 0, NULL) != 0) perror(where);
}

static void raise_loopback(void) {
  struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  strcpy(request.ifr_name, "lo");
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) perror("lo");
  close(fd);
}

static int run(const char *script) {
  int status = -1;
  pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sh", "sh", script, (char *)NULL);
    _exit(127);
  }
  while (pid > 0 && wait(&status) != pid) continue;
  return status;
}

int main(void) {
  mount_at("proc", "/proc");
  mount_at("sysfs", "/sys");
  mount_at("devtmpfs", "/dev");
  mount_at("tmpfs", "/tmp");
  raise_loopback();
  setenv("PATH", "/bin", 1);
  printf("init: ended with %d\n", run("/runs"));
  fflush(stdout);
  sync();
  return reboot(RB_POWER_OFF);
}
