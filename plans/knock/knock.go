// Package knock plays a knock sequence at a router: one packet for each stage, in order, as a
// client would send them. [Play] reports whether the packets left this computer, not whether the
// router accepted the knock: the ports of a knock never answer. The result shows on the router
// (plans/trusted), or when the service behind the door is tried, as a [Visit] does.
//
// A sequence is a secret. No error of this package carries a port, a size or a payload, whatever
// the system's own errors say: they are taken apart down to the error number.
//
//	err := knock.Play(ctx, host, door.Knock, knock.Options{})
package knock

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/rosknock/rosknock/plans"
)

// The defaults of a knock.
const (
	DefaultDelay   = 200 * time.Millisecond
	DefaultTimeout = 500 * time.Millisecond
)

// retransmission is when a kernel sends a SYN again that nobody answered (RFC 6298: one second).
const retransmission = time.Second

// Options of a knock. The zero value is a good one.
type Options struct {
	// Delay is between two stages, counted from the end of the one to the packet of the next; 200
	// ms when zero.
	Delay time.Duration
	// Timeout is how long the connection of one tcp stage may wait for an answer; 500 ms when zero.
	// It stays below one second, after which the kernel would send the SYN again.
	Timeout time.Duration
	// Source is the local address to send from, of the family of the host. The zero value leaves
	// the choice to the system.
	Source netip.Addr
	// Interface is the interface out of which packets are sent, whatever the routes say. On systems
	// other than Linux, packets are sent from its address, and the routes decide.
	Interface string
	// Payloads are what udp and icmp stages carry, by the number of the stage counted from 1. That
	// of an icmp stage stands at the beginning of its data; its size counts everything and stays as
	// it is. They override the payloads of the stages themselves.
	Payloads map[int][]byte
	// Observe, when set, is called after each stage was sent, from the same goroutine, with the
	// number of the stage counted from 1, as in the errors. It never gets the port.
	Observe func(stage int)
}

// Play sends the packets of a knock to a host, in order, one for each stage. Silence or a refusal
// is expected, and no error.
//
// An error means that the knock is not complete. Mistakes of the arguments, and missing rights for
// echo requests, are found before the first packet. Other errors name the stage that could not be
// sent by its number, counted from 1, and say what to do; no later stage is sent. When the context
// ends, Play returns at once, with the context's cause in its error.
func Play(ctx context.Context, host netip.Addr, stages []plans.Stage, o Options) error {
	k, err := prepare(host, stages, o)
	if err != nil {
		return err
	}
	for i, stage := range stages {
		if err := k.step(ctx, i, stage); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("interrupted at stage %d of %d: %w", i+1, len(stages), context.Cause(ctx))
			}
			return k.wrap(i, stage, err)
		}
	}
	return nil
}

// knocker is a knock with its options checked and filled in.
type knocker struct {
	host   netip.Addr
	source netip.Addr // unspecified, of the family of the host, when the system chooses
	// device is the interface that sockets are bound to, and index its number; empty when the
	// system chooses.
	device string
	index  int
	stages int
	// payloads are what stages carry, by their number counted from 1.
	payloads map[int][]byte
	// ids numbers the echo requests: the id of stage i is ids + i.
	ids     uint16
	delay   time.Duration
	timeout time.Duration
	observe func(stage int)
}

// prepare checks everything that can be checked before the first packet: half a knock is useless.
func prepare(host netip.Addr, stages []plans.Stage, o Options) (knocker, error) {
	k := knocker{host: host.Unmap(), source: o.Source.Unmap(), stages: len(stages), payloads: payloads(stages, o), delay: o.Delay, timeout: o.Timeout, observe: o.Observe}
	if k.delay == 0 {
		k.delay = DefaultDelay
	}
	if k.timeout == 0 {
		k.timeout = DefaultTimeout
	}
	if k.observe == nil {
		k.observe = func(int) {}
	}
	if len(stages) == 0 {
		return k, errors.New("the knock has no stages: nothing to send")
	}
	if err := errors.Join(k.checkTimes(), k.checkHost()); err != nil {
		return k, err
	}
	k, err := k.settle(o.Interface)
	if err != nil {
		return k, err
	}
	for i, stage := range stages {
		if err := errors.Join(k.check(stage), k.checkPayload(i, stage)); err != nil {
			return k, k.wrap(i, stage, err)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(o.Payloads)) {
		if number < 1 || number > len(stages) {
			return k, fmt.Errorf("there is a payload for stage %d of %d: stages are counted from 1", number, len(stages))
		}
	}
	k.ids = firstID()
	return k, k.checkRights(stages)
}

// payloads are what stages carry: what the plan says of each, and what the options say instead.
func payloads(stages []plans.Stage, o Options) map[int][]byte {
	out := map[int][]byte{}
	for i, s := range stages {
		if s.Payload != "" {
			out[i+1] = []byte(s.Payload)
		}
	}
	maps.Copy(out, o.Payloads)
	return out
}

// settle determines the source address of packets.
func (k knocker) settle(device string) (knocker, error) {
	if device != "" {
		var err error
		if k, err = k.leaveBy(device); err != nil {
			return k, err
		}
	}
	if !k.source.IsValid() {
		k.source = k.anywhere()
	}
	if k.source.Is4() != k.host.Is4() {
		return k, fmt.Errorf("the source address %s is of another family than %s: give one of the same family, or none", k.source, k.host)
	}
	return k, nil
}

func (k knocker) checkTimes() error {
	if k.delay < 0 {
		return fmt.Errorf("the delay between two stages is %s: it can't be negative", k.delay)
	}
	if k.timeout < 0 || k.timeout >= retransmission {
		return fmt.Errorf("the time-out of a stage is %s: it has to be above zero and below %s, or the system sends a packet twice", k.timeout, retransmission)
	}
	return nil
}

func (k knocker) checkHost() error {
	switch {
	case !k.host.IsValid():
		return errors.New("the knock has no host: give the address of the router")
	case k.host.IsUnspecified() || k.host.IsMulticast():
		return fmt.Errorf("%s is not the address of one host: give that of the router", k.host)
	case k.host.Is6() && k.host.IsLinkLocalUnicast() && k.host.Zone() == "":
		return fmt.Errorf("%s is link-local and needs the interface behind which the router is: %s%%eth0", k.host, k.host)
	}
	return nil
}

// check says what is wrong with a stage, and not what it is.
func (k knocker) check(stage plans.Stage) error {
	switch stage.Protocol {
	case "tcp", "udp":
		if stage.Port == 0 {
			return errors.New("it has no port: correct the plan")
		}
	case "icmp":
		if int(stage.Size) < k.headers() {
			return fmt.Errorf("its size is smaller than the headers of an %s echo request: correct the plan, or knock over the other family", k.family())
		}
	default:
		return errors.New("its protocol is none of tcp, udp and icmp: correct the plan")
	}
	return nil
}

// checkPayload says what is wrong with the payload of a stage, and nothing of what is in it.
func (k knocker) checkPayload(i int, stage plans.Stage) error {
	n := len(k.payloads[i+1])
	switch {
	case n == 0:
		return nil
	case stage.Protocol == "tcp":
		return errors.New("a tcp stage is a SYN and carries no payload: leave it out")
	case stage.Protocol == "udp" && n > k.mostPayload():
		return errors.New("its payload does not fit into one datagram: shorten it")
	case stage.Protocol == "icmp" && int(stage.Size) >= k.headers() && n > int(stage.Size)-k.headers():
		return errors.New("its payload does not fit into its size: shorten it, or correct the plan")
	}
	return nil
}

// mostPayload is what fits into one datagram of udp.
func (k knocker) mostPayload() int {
	const whole, udpHeader = 65535, 8
	if k.host.Is4() {
		return whole - ipv4Header - udpHeader
	}
	return whole - udpHeader // the length of IPv6 does not count its header
}

// checkRights opens the socket of the first icmp stage, to see before the first packet whether
// this process may have one.
func (k knocker) checkRights(stages []plans.Stage) error {
	for i, stage := range stages {
		if stage.Protocol == "icmp" {
			s, err := k.openEcho()
			if err != nil {
				return k.wrap(i, stage, err)
			}
			_ = s.conn.Close()
			return nil
		}
	}
	return nil
}

// step waits until the stage is due and sends it.
func (k knocker) step(ctx context.Context, i int, stage plans.Stage) error {
	if i > 0 {
		if err := wait(ctx, k.delay); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := k.send(ctx, i, stage); err != nil {
		return err
	}
	k.observe(i + 1)
	return nil
}

func (k knocker) send(ctx context.Context, i int, stage plans.Stage) error {
	switch stage.Protocol {
	case "tcp":
		return k.tcp(ctx, stage.Port)
	case "udp":
		return k.udp(ctx, stage.Port, k.payloads[i+1])
	default:
		return k.echo(k.ids+uint16(i), stage.Size, k.payloads[i+1])
	}
}

// wrap puts the number of a stage before an error, and its protocol, which is no secret. (An
// unknown protocol is: it may be a whole stage, misread.)
func (k knocker) wrap(i int, stage plans.Stage, err error) error {
	switch stage.Protocol {
	case "tcp", "udp", "icmp":
		return fmt.Errorf("stage %d of %d, %s, was not sent: %w", i+1, k.stages, stage.Protocol, err)
	default:
		return fmt.Errorf("stage %d of %d was not sent: %w", i+1, k.stages, err)
	}
}

func (k knocker) family() string {
	if k.host.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

// anywhere is the unspecified address of the host's family.
func (k knocker) anywhere() netip.Addr {
	if k.host.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// wait returns after a while, or with the context's error as soon as that ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
