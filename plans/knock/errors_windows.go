package knock

import "syscall"

// The error numbers of Winsock, and those of Windows itself that ConnectEx may end with. Package
// syscall has most names only with numbers of its own invention.
const (
	errorAccessDenied       = 5
	errorSemTimeout         = 121
	errorConnectionRefused  = 1225
	errorNetworkUnreachable = 1231
	errorHostUnreachable    = 1232
	errorProtoUnreachable   = 1233
	errorPortUnreachable    = 1234
	errorConnectionAborted  = 1236

	wsaEACCES          = 10013
	wsaEMFILE          = 10024
	wsaEMSGSIZE        = 10040
	wsaEPROTONOSUPPORT = 10043
	wsaEAFNOSUPPORT    = 10047
	wsaEADDRNOTAVAIL   = 10049
	wsaENETDOWN        = 10050
	wsaENETUNREACH     = 10051
	wsaECONNABORTED    = 10053
	wsaECONNRESET      = 10054
	wsaENOBUFS         = 10055
	wsaETIMEDOUT       = 10060
	wsaECONNREFUSED    = 10061
	wsaEHOSTDOWN       = 10064
	wsaEHOSTUNREACH    = 10065
)

// answered says whether an error of ConnectEx is the answer to a SYN that was sent, given that the
// way to the host was there a moment ago: a reset, an ICMP "unreachable", or nothing for as long as
// Windows wants to wait. WSAEACCES is a local filter in both families.
func answered(errno syscall.Errno, _ bool) bool {
	switch errno {
	case wsaECONNREFUSED, wsaECONNRESET, wsaECONNABORTED, wsaETIMEDOUT, wsaENETUNREACH, wsaEHOSTUNREACH, wsaEHOSTDOWN,
		errorConnectionRefused, errorConnectionAborted, errorSemTimeout,
		errorNetworkUnreachable, errorHostUnreachable, errorProtoUnreachable, errorPortUnreachable:
		return true
	default:
		return false
	}
}

// reasonOf sorts the error numbers of a packet that was not sent.
func reasonOf(errno syscall.Errno) reason {
	switch errno {
	case wsaEACCES, errorAccessDenied:
		return forbidden
	case wsaENETUNREACH, wsaEHOSTUNREACH, wsaEHOSTDOWN, wsaENETDOWN, errorNetworkUnreachable, errorHostUnreachable:
		return noRoute
	case wsaEADDRNOTAVAIL:
		return noAddress
	case wsaEAFNOSUPPORT, wsaEPROTONOSUPPORT:
		return noFamily
	case wsaEMFILE:
		return tooManyFiles
	case wsaENOBUFS:
		return noMemory
	case wsaEMSGSIZE:
		return tooLarge
	default:
		return other
	}
}
