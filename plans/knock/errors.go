package knock

import (
	"errors"
	"fmt"
	"syscall"
)

// reason is why a packet could not be sent, as far as the operator can do something about it.
type reason uint8

// The reasons. Each system has its own error numbers for them: see reasonOf.
const (
	other reason = iota
	forbidden
	noRoute
	noAddress
	noFamily
	tooManyFiles
	noMemory
	tooLarge
)

// deviceError says that a socket could not be bound to an interface.
type deviceError struct {
	name  string
	errno syscall.Errno
}

func (e *deviceError) Error() string {
	remedy := "give an address of it instead"
	if reasonOf(e.errno) == forbidden {
		remedy = "run rosknock as root, or give an address of it instead"
	}
	return fmt.Sprintf("packets can't be sent out of the interface %s: %v: %s", e.name, e.errno, remedy)
}

func (e *deviceError) Unwrap() error { return e.errno }

// noDevice is the error of an interface that is not there.
func noDevice(name string) error {
	return fmt.Errorf("this computer has no interface %s: give one that it has, or an address", name)
}

// Unreachable reports whether an error of [Play], [Enter] or a [Visit] says that this computer
// can't reach the host: no route, or no address of the host's family. An address of the other
// family may be reachable.
func Unreachable(err error) bool {
	if _, bound := errors.AsType[*deviceError](err); bound || err == nil {
		return false
	}
	switch reasonOf(number(err)) {
	case noRoute, noAddress, noFamily:
		return true
	}
	return false
}

// number is the system's error number in an error, or 0 if there is none. Nothing else of package
// net's errors is kept, because they print addresses with their ports.
func number(err error) syscall.Errno {
	errno, _ := errors.AsType[syscall.Errno](err)
	return errno
}

// explain turns an error of a socket into one without ports that says what to do; nil stays nil.
func (k knocker) explain(err error) error {
	if err == nil {
		return nil
	}
	if device, ok := errors.AsType[*deviceError](err); ok {
		return device
	}
	errno := number(err)
	if errno == 0 {
		return fmt.Errorf("the system gave no error number, but a %T: try again", err)
	}
	return fmt.Errorf("%w: %s", errno, k.remedy(reasonOf(errno)))
}

// remedy is what to do against a reason.
func (k knocker) remedy(r reason) string {
	switch r {
	case forbidden:
		return "a firewall or policy of this computer forbids it; allow rosknock to send, or knock from elsewhere"
	case noRoute:
		return "this computer has no route to the router; check its address, the network and the VPN"
	case noAddress:
		if !k.source.IsUnspecified() {
			return "the source address is not one of this computer; give one that is, or none"
		}
		return "this computer has no " + k.family() + " address to send from, or no free port; check the network"
	case noFamily:
		return "this computer has no " + k.family() + "; knock over the other family"
	case tooManyFiles:
		return "close programs, or raise the limit of open files (ulimit -n)"
	case noMemory:
		return "the system is short of buffers; try again"
	case tooLarge:
		return "this system does not send packets of that size; choose a smaller one in the plan"
	default:
		return "check the routes and the firewall of this computer"
	}
}
