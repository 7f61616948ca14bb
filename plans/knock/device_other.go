//go:build !linux

package knock

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// leaveBy sends packets from an address of the interface: only Linux can bind a socket to an
// interface. A given source address stays.
func (k knocker) leaveBy(name string) (knocker, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return k, noDevice(name)
	}
	if k.source.IsValid() {
		return k, nil
	}
	addresses, err := i.Addrs()
	if err != nil {
		return k, fmt.Errorf("the addresses of the interface %s can't be read: %w: give one of them instead", name, number(err))
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		addr := prefix.Addr().Unmap()
		if addr.Is4() == k.host.Is4() && addr.IsLinkLocalUnicast() == k.host.IsLinkLocalUnicast() {
			if addr.Is6() && addr.IsLinkLocalUnicast() {
				addr = addr.WithZone(name)
			}
			k.source = addr
			return k, nil
		}
	}
	return k, fmt.Errorf("the interface %s has no %s address to send from: choose another, or the other family", name, k.family())
}

func (k knocker) bind(syscall.RawConn) error { return nil }
