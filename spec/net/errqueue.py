# Becomes the program in its arguments, with a datagram socket as descriptor 3 that has something in
# its error queue: poll(2) calls it ready (POLLERR) for ever, and there is nothing to receive.
import os, select, socket, sys

IP_RECVERR = 11
gone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
gone.bind(("127.0.0.1", 0))
nobody = gone.getsockname()
gone.close()
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
own.sendto(b"x", nobody)
waiting = select.poll()
waiting.register(own, select.POLLERR)
waiting.poll(10000)
try:
    own.recv(1, socket.MSG_DONTWAIT)  # takes the error, and leaves the queue
except OSError:
    pass
if own.fileno() != 3:
    os.dup2(own.fileno(), 3)
os.set_inheritable(3, True)
os.execvp(sys.argv[1], sys.argv[1:])
