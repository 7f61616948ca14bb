package knock

import "syscall"

// isolated says that a router answered with ICMP "source host isolated", for which Linux alone has
// a number.
func isolated(errno syscall.Errno) bool { return errno == syscall.ENONET }
