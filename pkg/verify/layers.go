package verify

import (
	"path"
	"strings"
)

// spend counts work down.
func (r *rootfs) spend(n int) error {
	if r.work -= int64(n) + 1; r.work < 0 {
		return errUnpackLimit
	}
	return nil
}

// put sets what stands at a path.
func (r *rootfs) put(name string, n *node) {
	n.layer = r.layer
	r.nodes[name] = n
	for at := name; at != "."; {
		dir, base := path.Dir(at), path.Base(at)
		in := r.below[dir]
		if in[base] {
			return
		}
		if in == nil {
			in = map[string]bool{}
			r.below[dir] = in
		}
		in[base] = true
		at = dir
	}
}

// remove takes away what layers below the given one have put at a path and
// under it.
func (r *rootfs) remove(name string, below int) error {
	if n := r.nodes[name]; n != nil && n.layer < below {
		delete(r.nodes, name)
	}
	_, err := r.clear(name, below)
	return err
}

// clear takes away what layers below the given one have put under a directory, and
// says whether anything is left there. It looks at nothing else.
func (r *rootfs) clear(dir string, below int) (left bool, err error) {
	in := r.below[dir]
	for base := range in {
		name := path.Join(dir, base)
		if err := r.spend(len(name)); err != nil {
			return true, err
		}
		n := r.nodes[name]
		if n != nil && n.layer < below {
			delete(r.nodes, name)
			n = nil
		}
		under, err := r.clear(name, below)
		if err != nil {
			return true, err
		}
		if n == nil && !under {
			delete(in, base)
		}
	}
	if len(in) == 0 {
		delete(r.below, dir)
	}
	return len(in) > 0, nil
}

// hide is a whiteout: it takes away what lower layers have put.
func (r *rootfs) hide(dir, base string) error {
	if base == opaque {
		if dir = strings.TrimSuffix(dir, "/"); dir == "" {
			dir = "."
		}
		_, err := r.clear(dir, r.layer)
		return err
	}
	if strings.HasPrefix(base, whiteout+whiteout) {
		return nil // a storage driver's own notes
	}
	name := path.Join(dir, strings.TrimPrefix(base, whiteout))
	if n := r.nodes[name]; n != nil && n.layer == r.layer {
		return odd("%.200q stands in a layer that takes it away too", "/"+name)
	}
	if r.watched[path.Base(name)] {
		r.hidden[name] = true
	}
	return r.remove(name, r.layer)
}
