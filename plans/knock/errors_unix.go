//go:build unix

package knock

import "syscall"

// answered says whether an error of connect is the answer to a SYN that was sent, given that the
// way to the host was there a moment ago. The kernel turns these into error numbers:
//
//   - a reset: ECONNREFUSED, or ECONNRESET when it comes late; ECONNABORTED on some systems
//   - ICMP "unreachable" in its many forms, and "time exceeded": ECONNREFUSED, EHOSTUNREACH,
//     ENETUNREACH, EHOSTDOWN, ENONET, ENOPROTOOPT, EOPNOTSUPP, and EPROTO for "parameter problem"
//   - ICMPv6 "administratively prohibited": EACCES, which over IPv4 is only ever local
//   - nothing at all, for as long as the kernel wants to wait: ETIMEDOUT
//
// All others mean that no packet left: EPERM of a local policy, EADDRNOTAVAIL when the ports are
// used up, EINVAL of a blackhole route, ENETDOWN, ENOBUFS, EMFILE, EAFNOSUPPORT.
func answered(errno syscall.Errno, v6 bool) bool {
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.ETIMEDOUT,
		syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN,
		syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EPROTO:
		return true
	case syscall.EACCES:
		return v6
	default:
		return isolated(errno)
	}
}

// reasonOf sorts the error numbers of a packet that was not sent.
func reasonOf(errno syscall.Errno) reason {
	switch errno {
	case syscall.EACCES, syscall.EPERM:
		return forbidden
	case syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return noRoute
	case syscall.EADDRNOTAVAIL:
		return noAddress
	case syscall.EAFNOSUPPORT, syscall.EPROTONOSUPPORT:
		return noFamily
	case syscall.EMFILE, syscall.ENFILE:
		return tooManyFiles
	case syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN:
		return noMemory
	case syscall.EMSGSIZE:
		return tooLarge
	default:
		return other
	}
}
