// Package lab holds the packet evaluator against the Linux kernel: the same rules as nftables in a network
// namespace, the same packets from another one, the same fate and the same address lists.
//
// RouterOS runs on netfilter, so what both can say has to mean the same. The package consists of tests; they
// need root and Linux, and are run by
//
//	make lab
//
// What it does not hold against the kernel is what RouterOS alone has: layer 7, psd, hotspot, interface lists.
package lab
