package decide

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/rosknock/rosknock/routeros"
)

// Key is the SHA-256 of an encoding of inputs. Equal keys are equal inputs.
type Key [sha256.Size]byte

// Key returns the key of the inputs: of every field, of all that the fields hold, and of the order of
// what they hold.
func (in Inputs) Key() Key { return keyOf(&in) }

// keyOf is the key of what a pointer leads to.
func keyOf(pointer any) Key {
	e := encoder{to: sha256.New(), pending: make([]byte, 0, encoded+1<<10)}
	e.value(reflect.ValueOf(pointer).Elem())
	e.flush()
	return Key(e.to.Sum(nil))
}

// encoded is how much of an encoding is held before it is hashed, in bytes.
const encoded = 8 << 10

// encoder writes values so that no two different ones have the same bytes: texts and lists come with
// their lengths, and a nil list differs from an empty one. It walks by reflection, so that a field
// that comes to a type later is in the encoding at once. What it has no encoding for, such as a
// function, is a mistake in the source, and it panics.
type encoder struct {
	to      hash.Hash
	pending []byte
}

func (e *encoder) flush() {
	e.to.Write(e.pending)
	e.pending = e.pending[:0]
}

func (e *encoder) number(n uint64) {
	if len(e.pending) > encoded {
		e.flush()
	}
	e.pending = binary.AppendUvarint(e.pending, n)
}

func (e *encoder) text(s string) {
	e.number(uint64(len(s)))
	e.pending = append(e.pending, s...)
}

func (e *encoder) value(v reflect.Value) {
	if v.CanAddr() && v.CanInterface() && e.whole(v.Addr().Interface()) {
		return
	}
	switch v.Kind() {
	case reflect.String:
		e.text(v.String())
	case reflect.Bool:
		e.number(map[bool]uint64{true: 1}[v.Bool()])
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.number(uint64(v.Int())) // #nosec G115 -- each number has its own bits
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.number(math.Float64bits(v.Float()))
	case reflect.Struct:
		for _, field := range v.Fields() {
			e.value(field)
		}
	case reflect.Array:
		e.elements(v)
	case reflect.Slice:
		if e.length(v) {
			e.elements(v)
		}
	case reflect.Map:
		if e.length(v) {
			e.entries(v)
		}
	case reflect.Pointer:
		if e.number(map[bool]uint64{true: 1}[!v.IsNil()]); !v.IsNil() {
			e.value(v.Elem())
		}
	default:
		panic(fmt.Sprintf("decide: a %s has no encoding", v.Type()))
	}
}

// whole writes what is encoded as a whole: types whose fields are not for others, and rows, of which
// there are many. It reports whether it has.
func (e *encoder) whole(pointer any) bool {
	switch p := pointer.(type) {
	case *routeros.Attributes:
		if !e.length(reflect.ValueOf(*p)) {
			break
		}
		for i := range *p {
			e.text((*p)[i].Name)
			e.text((*p)[i].Value)
		}
	case *netip.Addr:
		e.address(*p)
	case *netip.Prefix:
		e.address(p.Addr())
		e.number(uint64(p.Bits())) // #nosec G115 -- each number has its own bits
	case *time.Time:
		name, offset := p.Zone()
		e.number(uint64(p.Unix())) // #nosec G115 -- each number has its own bits
		e.number(uint64(p.Nanosecond()))
		e.number(uint64(offset)) // #nosec G115 -- each number has its own bits
		e.text(name)
		e.text(p.Location().String())
	default:
		return false
	}
	return true
}

func (e *encoder) address(a netip.Addr) {
	e.number(uint64(a.BitLen())) // 0 of no address
	bytes := a.As16()
	e.pending = append(e.pending, bytes[:]...)
	e.text(a.Zone())
}

// length writes how long a list or map is, and reports whether there is one.
func (e *encoder) length(v reflect.Value) bool {
	if v.IsNil() {
		e.number(0)
		return false
	}
	e.number(uint64(v.Len()) + 1)
	return true
}

func (e *encoder) elements(v reflect.Value) {
	for i := range v.Len() {
		e.value(v.Index(i))
	}
}

// entries writes a map with texts for keys, in their order.
func (e *encoder) entries(v reflect.Value) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) })
	for _, key := range keys {
		if key.Kind() != reflect.String {
			panic(fmt.Sprintf("decide: a map by %s has no order", key.Type()))
		}
		e.text(key.String())
		value := reflect.New(v.Type().Elem()).Elem() // what stands in a map has no address
		value.Set(v.MapIndex(key))
		e.value(value)
	}
}
