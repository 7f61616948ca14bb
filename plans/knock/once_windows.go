package knock

import (
	"syscall"
	"unsafe"
)

// Of mstcpip.h.
const (
	sioTCPInitialRTO     = syscall.IOC_IN | syscall.IOC_VENDOR | 17
	unspecifiedRTT       = ^uint16(0)
	noSYNRetransmissions = ^uint8(1)
)

// initialRTO is TCP_INITIAL_RTO_PARAMETERS.
type initialRTO struct {
	rtt                   uint16
	maxSYNRetransmissions uint8
}

// sendOnce keeps Windows from sending a SYN again, which it does half a second after a reset too:
// it does not take that for an answer until it has tried three times. Windows before 10.0.16299
// does not know how and refuses; a stage that is refused is then sent twice, which the router
// counts once.
func sendOnce(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		params := initialRTO{rtt: unspecifiedRTT, maxSYNRetransmissions: noSYNRetransmissions}
		var out uint32
		in := (*byte)(unsafe.Pointer(&params)) //nolint:gosec // that is how the call takes its parameters
		_ = syscall.WSAIoctl(syscall.Handle(fd), sioTCPInitialRTO, in, uint32(unsafe.Sizeof(params)), nil, 0, &out, nil, 0)
	})
}
