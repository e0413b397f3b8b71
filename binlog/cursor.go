package binlog

import (
	"encoding/binary"
	"errors"
	"math"
)

// errShort says that an event ends before what it should hold.
var errShort = errors.New("the event is cut short")

// A cursor reads the parts of an event that are not rows. Reading past the end gives zeros and sets short, which the
// reader looks at when it is done: nothing that the server sends can make it panic.
type cursor struct {
	p     []byte
	short bool
}

// bytes takes n bytes. They point into the event.
func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.p) {
		c.p, c.short = nil, true
		return nil
	}
	b := c.p[:n:n]
	c.p = c.p[n:]
	return b
}

// uint takes a little-endian number of n bytes, at most 8.
func (c *cursor) uint(n int) uint64 {
	var v uint64
	for i, b := range c.bytes(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// length takes a length-encoded number.
func (c *cursor) length() int {
	v := c.uint(1)
	switch v {
	case 0xfc:
		v = c.uint(2)
	case 0xfd:
		v = c.uint(3)
	case 0xfe:
		v = c.uint(8)
	case 0xfb, 0xff:
		c.short = true
	}
	if v > math.MaxInt32 {
		c.short = true
		return 0
	}
	return int(v)
}

// lengths takes length-encoded numbers up to the end.
func (c *cursor) lengths() []int {
	var all []int
	for len(c.p) > 0 && !c.short {
		all = append(all, c.length())
	}
	return all
}

// err returns errShort if something was missing.
func (c *cursor) err() error {
	if c.short {
		return errShort
	}
	return nil
}

func u16(p []byte) uint16 { return binary.LittleEndian.Uint16(p) }
func u24(p []byte) uint32 { return uint32(p[0]) | uint32(p[1])<<8 | uint32(p[2])<<16 }
func u32(p []byte) uint32 { return binary.LittleEndian.Uint32(p) }
func u48(p []byte) uint64 { return uint64(u32(p)) | uint64(u16(p[4:]))<<32 }
func u64(p []byte) uint64 { return binary.LittleEndian.Uint64(p) }

func putU32(p []byte, v uint32) { binary.LittleEndian.PutUint32(p, v) }

// bit says whether bit i of a little-endian bitmap is set.
func bit(bits []byte, i int) bool { return bits[i>>3]&(1<<(i&7)) != 0 }
