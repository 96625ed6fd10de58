package bounds

import (
	"runtime"
	"testing"
)

func TestHeapCountsWhatIsHeld(t *testing.T) {
	if (&Heap{}).Full(0) || (*Heap)(nil).Full(0) {
		t.Error("one without a limit is full")
	}
	runtime.GC()
	h := &Heap{Most: objects() + 32<<20}
	for range 64 {
		sink = make([]byte, 4<<20) // garbage
	}
	if h.Full(0) {
		t.Error("what can be collected counts")
	}
	held := make([][]byte, 16)
	for i := range held {
		held[i] = make([]byte, 4<<20)
	}
	if h.Full(64<<20) || !h.Full(0) {
		t.Error("64 MiB that are held do not count, or what is allowed besides")
	}
	runtime.KeepAlive(held)
}

var sink []byte
