package render

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rosknock/rosknock/plans"
	"github.com/rosknock/rosknock/routeros"
)

// PowerShellScript returns a script for PowerShell 3 or later that plays the knock with the sockets
// of .NET. No part of the knock is an argument of a program.
func PowerShellScript(c Client) string {
	head := []string{
		fmt.Sprintf("Knocks at the %s: %s.", c.of(), packets(len(c.Door.Knock))),
		"It holds the knock: keep it like a password.",
	}
	if c.Window != nil {
		head = append(head, c.Window.remark())
	}
	var b strings.Builder
	b.WriteString(comment("#", head...) + "#\n# usage: powershell -ExecutionPolicy Bypass -File FILE [-Router HOST]\n\n")
	if c.Host == "" {
		b.WriteString("param([Parameter(Mandatory = $true)][string]$Router)\n")
	} else {
		fmt.Fprintf(&b, "param([string]$Router = %s)\n", verbatim(c.Host))
	}
	b.WriteString("\n$ErrorActionPreference = 'Stop'\n$families = @(" + netFamilies(c.Families) + ")\n" + powerHost)
	for _, part := range []struct{ protocol, text string }{{"tcp", powerTCP}, {"udp", powerUDP}, {"icmp", powerICMP}} {
		if slices.ContainsFunc(c.Door.Knock, func(s plans.Stage) bool { return s.Protocol == part.protocol }) {
			b.WriteString(part.text)
		}
	}
	b.WriteString("\n")
	for i, s := range c.Door.Knock {
		if i > 0 {
			b.WriteString("Start-Sleep -Milliseconds 200\n")
		}
		b.WriteString(powerStage(s))
	}
	b.WriteString("Write-Host \"the knock was sent to ${address}; a knock gets no answer, so try the service behind the door\"\n")
	return b.String()
}

func powerStage(s plans.Stage) string {
	text := ""
	if s.Payload != "" {
		text = " " + verbatim(s.Payload)
	}
	switch s.Protocol {
	case "icmp":
		return fmt.Sprintf("Send-Ping %d%s\n", s.Size, text)
	case "udp":
		return fmt.Sprintf("Send-Udp %d%s\n", s.Port, text)
	}
	return fmt.Sprintf("Send-Tcp %d\n", s.Port)
}

// verbatim quotes a text for PowerShell, without expansion.
func verbatim(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// netFamilies names families as .NET does.
func netFamilies(families []routeros.Family) string {
	var out []string
	for _, f := range families {
		if f == routeros.IPv6 {
			out = append(out, "'InterNetworkV6'")
		} else {
			out = append(out, "'InterNetwork'")
		}
	}
	if out == nil {
		out = []string{"'InterNetwork'", "'InterNetworkV6'"}
	}
	return strings.Join(out, ", ")
}

const powerHost = `$address = [System.Net.Dns]::GetHostAddresses($Router) | Where-Object { $families -contains $_.AddressFamily.ToString() } | Select-Object -First 1
if (-not $address) { throw "$Router has no address for this knock" }
`

// The bytes are TCP_INITIAL_RTO_PARAMETERS, and the number SIO_TCP_INITIAL_RTO, as in plans/knock.
const powerTCP = `
# One SYN. What answers, and whether anything does, makes no difference.
function Send-Tcp([int]$Port) {
    $socket = New-Object System.Net.Sockets.Socket($address.AddressFamily, [System.Net.Sockets.SocketType]::Stream, [System.Net.Sockets.ProtocolType]::Tcp)
    try {
        try { [void]$socket.IOControl(-1744830447, [byte[]](255, 255, 254, 0), $null) } catch { } # Windows sends again after a reset, unless told not to
        $waiting = $socket.BeginConnect($address, $Port, $null, $null)
        [void]$waiting.AsyncWaitHandle.WaitOne(500)
    } finally { $socket.Close() }
}
`

const powerUDP = `
# One datagram, with one byte where nothing else is wanted in it.
function Send-Udp([int]$Port, [string]$Text = 'x') {
    $bytes = [System.Text.Encoding]::ASCII.GetBytes($Text)
    $client = New-Object System.Net.Sockets.UdpClient($address.AddressFamily)
    try {
        $client.Connect($address, $Port)
        [void]$client.Send($bytes, $bytes.Length)
    } finally { $client.Close() }
}
`

const powerICMP = `
# One ping of that size, counted as the router does, headers included.
function Send-Ping([int]$Size, [string]$Text = '') {
    $headers = 28
    if ($address.AddressFamily.ToString() -eq 'InterNetworkV6') { $headers = 48 }
    if ($Size -lt $headers) { throw 'a ping of IPv6 is never that small: name an IPv4 address of the router' }
    $bytes = [System.Text.Encoding]::ASCII.GetBytes($Text)
    $buffer = New-Object byte[] ($Size - $headers)
    [Array]::Copy($bytes, $buffer, $bytes.Length)
    $ping = New-Object System.Net.NetworkInformation.Ping
    try { [void]$ping.Send($address, 500, $buffer) } finally { $ping.Dispose() }
}
`
