package decide_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// leaf is one value within another, which can be set.
type leaf struct {
	path  string // such as Router.Rules./ip/firewall/filter.0.ID
	value reflect.Value
	set   func(reflect.Value)
}

// whole reports whether a type counts as one value: its fields are not for others.
func whole(t reflect.Type) bool {
	return slices.Contains([]reflect.Type{reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[time.Time]()}, t)
}

// leaves finds all values within the one that a pointer leads to, and each list, map and pointer
// as a value of its own.
func leaves(pointer any) []leaf {
	var out []leaf
	v := reflect.ValueOf(pointer).Elem()
	gather(&out, leaf{"", v, v.Set})
	return out
}

func gather(out *[]leaf, at leaf) {
	v := at.value
	switch {
	case whole(v.Type()):
		*out = append(*out, at)
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			gather(out, leaf{at.path + "." + v.Type().Field(i).Name, v.Field(i), func(x reflect.Value) {
				changed := reflect.New(v.Type()).Elem()
				changed.Set(v)
				changed.Field(i).Set(x)
				at.set(changed)
			}})
		}
	case v.Kind() == reflect.Slice:
		*out = append(*out, at)
		for i := range v.Len() {
			gather(out, leaf{fmt.Sprint(at.path, ".", i), v.Index(i), v.Index(i).Set})
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			gather(out, leaf{fmt.Sprint(at.path, ".", i), v.Index(i), func(x reflect.Value) {
				changed := reflect.New(v.Type()).Elem()
				changed.Set(v)
				changed.Index(i).Set(x)
				at.set(changed)
			}})
		}
	case v.Kind() == reflect.Map:
		*out = append(*out, at)
		for _, key := range v.MapKeys() {
			gather(out, leaf{at.path + "." + key.String(), v.MapIndex(key), func(x reflect.Value) { v.SetMapIndex(key, x) }})
		}
	case v.Kind() == reflect.Pointer && !v.IsNil():
		*out = append(*out, at)
		gather(out, leaf{at.path, v.Elem(), func(x reflect.Value) {
			changed := reflect.New(v.Type().Elem())
			changed.Elem().Set(x)
			at.set(changed)
		}})
	default:
		*out = append(*out, at)
	}
}

// others are values of the same type that differ from a leaf's.
func (l leaf) others() []any {
	return slices.DeleteFunc(l.candidates(), func(other any) bool { return reflect.DeepEqual(other, l.value.Interface()) })
}

func (l leaf) candidates() []any {
	v := l.value
	switch x := v.Interface().(type) {
	case netip.Addr:
		return []any{x.Next(), netip.Addr{}, netip.AddrFrom16(x.As16()), netip.AddrFrom16(x.As16()).WithZone("zone")}
	case netip.Prefix:
		return []any{netip.PrefixFrom(x.Addr(), x.Bits()-1), netip.PrefixFrom(x.Addr().Next(), x.Bits()), netip.Prefix{}}
	case time.Time:
		return []any{x.Add(1), x.Add(time.Hour), x.In(time.FixedZone("", 3600)), x.In(time.FixedZone("A", 3600)), x.In(time.FixedZone("B", 3600)), time.Time{}}
	}
	changed := reflect.New(v.Type()).Elem()
	switch v.Kind() {
	case reflect.String:
		changed.SetString(v.String() + "x")
		return []any{changed.Interface(), reflect.Zero(v.Type()).Interface()}
	case reflect.Bool:
		changed.SetBool(!v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		changed.SetInt(v.Int() + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		changed.SetUint(v.Uint() + 1)
	case reflect.Slice:
		out := []any{changed.Interface(), reflect.MakeSlice(v.Type(), 0, 0).Interface()}
		if v.Len() > 1 {
			turned := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
			reflect.Copy(turned, v.Slice(1, v.Len()))
			turned.Index(v.Len() - 1).Set(v.Index(0))
			out = append(out, v.Slice(0, v.Len()-1).Interface(), turned.Interface())
		}
		return out
	case reflect.Map, reflect.Pointer:
	default:
		panic("no other value of a " + v.Type().String())
	}
	return []any{changed.Interface()}
}

// filled gives every field within a value something: two rows to each list, and no two texts or
// numbers alike.
func filled(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)})))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(*n >> 8), byte(*n)}), 24)))
		return
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(int64(*n), 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Bool:
		v.SetBool(*n%2 == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n % 100))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n % 100))
	case reflect.Struct:
		for _, field := range v.Fields() {
			filled(field, n)
		}
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		filled(v.Index(0), n)
		filled(v.Index(1), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			filled(key, n)
			filled(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	default:
		panic("nothing to fill a " + v.Type().String() + " with")
	}
}
