package knock

import (
	"net"
	"syscall"
)

// leaveBy sends packets out of an interface, whatever the routes say: TCP and UDP sockets are bound
// to it, echo requests carry its number.
func (k knocker) leaveBy(name string) (knocker, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return k, noDevice(name)
	}
	k.device, k.index = name, i.Index
	return k, nil
}

// bind binds a socket to the interface, if there is one. Since Linux 5.7 everybody may do so;
// before, it needed a privilege.
func (k knocker) bind(c syscall.RawConn) error {
	if k.device == "" {
		return nil
	}
	var err error
	if lost := c.Control(func(fd uintptr) {
		err = syscall.SetsockoptString(int(fd), syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, k.device)
	}); lost != nil {
		return lost
	}
	if err != nil {
		return &deviceError{name: k.device, errno: number(err)}
	}
	return nil
}
