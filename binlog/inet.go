package binlog

import (
	"fmt"
	"net/netip"
	"strconv"
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

// AppendInet6 appends an address of type inet6 as MariaDB prints it: the first of the longest runs of zero groups is left
// out, also one of a single group; IPv4-mapped and IPv4-compatible addresses end with dots.
func AppendInet6(dst []byte, a [16]byte) []byte {
	compatible := [12]byte(a[:12]) == [12]byte{} && (a[12] != 0 || a[13] != 0)
	if compatible {
		return netip.AddrFrom4([4]byte(a[12:])).AppendTo(append(dst, "::"...))
	}
	if ip := netip.AddrFrom16(a); ip.Is4In6() {
		return ip.AppendTo(dst)
	}
	from, to := zeroGroups(a)
	for i := 0; i < 8; i++ {
		switch {
		case i == from:
			dst = append(dst, "::"...)
			i = to - 1
			continue
		case i > 0 && i != to:
			dst = append(dst, ':')
		}
		dst = strconv.AppendUint(dst, uint64(a[2*i])<<8|uint64(a[2*i+1]), 16)
	}
	return dst
}

// zeroGroups finds the first of the longest runs of zero groups; from is -1 when there is none.
func zeroGroups(a [16]byte) (from, to int) {
	from, to = -1, -1
	for i := 0; i < 8; i++ {
		k := i
		for k < 8 && a[2*k] == 0 && a[2*k+1] == 0 {
			k++
		}
		if k > i && k-i > to-from {
			from, to = i, k
		}
		i = max(i, k-1)
	}
	return from, to
}
