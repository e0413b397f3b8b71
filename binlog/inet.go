package binlog

import (
	"fmt"
	"net/netip"
)

// appendInet appends the text of one of MariaDB's addresses, whose trailing zero bytes the log leaves out.
func appendInet(dst, value []byte, length int) ([]byte, error) {
	var buf [16]byte
	if len(value) > length {
		return dst, fmt.Errorf("%d bytes are more than an address's %d", len(value), length)
	}
	copy(buf[:], value)
	if length == 4 {
		return netip.AddrFrom4([4]byte(buf[:4])).AppendTo(dst), nil
	}
	return AppendInet6(dst, buf), nil
}

// AppendInet6 appends an address of type inet6 as MariaDB prints it: as the standard library does, but for
// IPv4-compatible addresses, whose last four bytes are printed with dots.
func AppendInet6(dst []byte, a [16]byte) []byte {
	if [12]byte(a[:12]) == [12]byte{} && (a[12] != 0 || a[13] != 0) {
		return netip.AddrFrom4([4]byte(a[12:])).AppendTo(append(dst, "::"...))
	}
	return netip.AddrFrom16(a).AppendTo(dst)
}
