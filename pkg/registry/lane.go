package registry

import (
	"context"
	"sync"
)

const (
	// ordinary is the largest answer that is read beside any number of others. A
	// manifest has a few KiB; fifty signatures, the most seen on a real image, have
	// 280, and such an image costs one request more.
	ordinary = 256 << 10

	// lanes is how many larger ones are read at once, each of up to some 30 MiB
	// until it was parsed.
	lanes = 2

	// small is what is parsed beside any number of others: the values of a larger
	// text cost up to twenty times its bytes, until what is kept of them was taken out.
	small = 16 << 10
)

// parsing holds those who parse what is larger than small. They wait for nothing else.
var parsing = make(chan struct{}, 2)

// lane is where answers are read that are larger than ordinary. Who is in it waits
// for the network alone, and for no caller that waits for it.
type lane struct {
	once sync.Once
	free chan struct{}
}

// enter waits for a place in the lane, as long as ctx lasts.
func (l *lane) enter(ctx context.Context) (leave func(), err error) {
	l.once.Do(func() { l.free = make(chan struct{}, lanes) })
	select {
	case l.free <- struct{}{}:
		return func() { <-l.free }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
