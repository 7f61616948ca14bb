// Package lab holds the packet evaluator against the Linux kernel: its tests put the same rules
// into real nftables, send the same packets through a real network stack, and compare what became
// of each packet, which rules it met, and who is in which address list afterwards.
//
// RouterOS filters with the kernel's own code, so the kernel is a second opinion that does not
// share our mistakes. To keep it one, the tests read the rules' values with code of their own and
// never ask package firewall what a matcher means.
//
// And it holds doors against the kernel from end to end: rosknock applies plans to a simulated
// router, the rules that are on it then go into a namespace with an OpenSSH server inside, and
// rosknock, other clients, wrong knocks and sweeps over all ports come to its door.
//
// There is nothing here to import. The tests need root and run only when they are asked for:
//
//	make lab
//
// They work in network namespaces without a name, which vanish with the process even when it is
// killed; nothing is sent outside of them.
package lab
