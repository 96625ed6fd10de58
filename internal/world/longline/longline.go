// Package longline models the way between a client and a server, for tests and
// benchmarks: a round trip, a bottleneck that all connections share, the rate that
// the server grants each of them, and TCP's slow start towards the client. What a
// client sends is late and has no bounds.
//
// What is not modelled: loss, and a window that shrinks. A connection's window is
// what may be under way unconfirmed: ten segments of 1460 bytes at first (RFC 6928),
// doubled each round trip (RFC 5681, 3.1) up to what its own rate fills.
package longline

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// firstWindow is what a new connection may have under way (RFC 6928).
	firstWindow = 10 * 1460
	// piece is what travels at once: small beside a window, large beside a timer's error.
	piece = 16 << 10
	// mostWindow is that of a connection whose rate has no bound.
	mostWindow = 1 << 30
	// serverBuffer is about what a server has written and not sent: the loopback interface
	// would take megabytes, in which an answer that was given up still travels.
	serverBuffer = 64 << 10
	// late is how much of its turn a sender may make up for when a timer was late.
	late = 4 * time.Millisecond
)

// Line is a way. The fields are set before it carries anything.
type Line struct {
	RTT   time.Duration
	Total int64 // bytes a second of all connections together towards the client; 0 has no bound
	Each  int64 // bytes a second of one connection towards the client; 0 has no bound, nor a slow start
	Most  int   // connections at once, of which the server refuses any further one; 0 has no bound

	Bytes, Connections atomic.Int64 // towards the client; that were made
	Peak               atomic.Int64 // of connections at once

	bottleneck pace
	open       atomic.Int64
}

// pace is a rate that is shared by whoever asks.
type pace struct {
	mu   sync.Mutex
	free time.Time
}

// book says when n bytes have passed.
func (p *pace) book(n int, rate int64) time.Time {
	now := time.Now()
	if rate <= 0 {
		return now
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-late); p.free.Before(earliest) {
		p.free = earliest
	}
	p.free = p.free.Add(time.Duration(int64(n) * int64(time.Second) / rate))
	return p.free
}

// Dial is what dials to, whatever is asked for, over the line. It takes a round trip,
// and fails where the server takes no more connections.
func (l *Line) Dial(to string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		far, err := l.connect(ctx, to)
		if err != nil {
			return nil, err
		}
		near, end := net.Pipe()
		go l.carry(end, end, far)
		return near, nil
	}
}

type refused struct{}

func (refused) Error() string { return "the server takes no more connections" }

func (l *Line) connect(ctx context.Context, to string) (net.Conn, error) {
	n := l.open.Add(1)
	if l.Most > 0 && n > int64(l.Most) {
		l.open.Add(-1)
		return nil, refused{}
	}
	for peak := l.Peak.Load(); n > peak && !l.Peak.CompareAndSwap(peak, n); peak = l.Peak.Load() {
	}
	time.Sleep(l.RTT) // the SYN there, the SYN-ACK back
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
	if err != nil {
		l.open.Add(-1)
		return nil, err
	}
	if tcp, ok := far.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(serverBuffer)
	}
	l.Connections.Add(1)
	return far, nil
}

// Listen is a listener for the server at the far end, on the loopback interface.
func Listen() (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return listener{l}, nil
}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(serverBuffer)
	}
	return conn, err
}

// Serve is an HTTP proxy on the loopback interface: where every CONNECT ends is to. It
// serves until ctx ends.
func (l *Line) Serve(ctx context.Context, to string) (proxy string, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.answer(ctx, conn, to)
		}
	}()
	return "http://" + listener.Addr().String(), nil
}

func (l *Line) answer(ctx context.Context, client net.Conn, to string) {
	from := bufio.NewReader(client)
	req, err := http.ReadRequest(from)
	said := "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"
	if err == nil && req.Method == http.MethodConnect {
		var far net.Conn
		if far, err = l.connect(ctx, to); err == nil {
			if _, err = io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err == nil {
				l.carry(client, from, far)
				return
			}
			l.open.Add(-1)
			_ = far.Close()
		}
		said = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
	}
	_, _ = io.WriteString(client, said)
	_ = client.Close()
}

// carry brings bytes over, both ways, until both ends have closed.
func (l *Line) carry(client net.Conn, from io.Reader, server net.Conn) {
	var both sync.WaitGroup
	both.Go(func() {
		arrive(server, l.send(from), func(int) {})
	})
	both.Go(func() {
		w := newWindow(l)
		arrive(client, l.sendWithin(w, server), w.confirm)
		w.close()
		_ = server.Close()
	})
	both.Wait()
	l.open.Add(-1)
}

// parcel is what is to arrive at a moment.
type parcel struct {
	due  time.Time
	data []byte
}

// send is the way to the server: half a round trip, and no bounds.
func (l *Line) send(from io.Reader) <-chan parcel {
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 4<<10)
			n, err := from.Read(buf)
			if n > 0 {
				way <- parcel{time.Now().Add(l.RTT / 2), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	return way
}

// sendWithin is the way to the client: what the window, the connection's rate and the
// bottleneck allow.
func (l *Line) sendWithin(w *window, from io.Reader) <-chan parcel {
	way := make(chan parcel, 1024)
	go func() {
		defer close(way)
		var own pace
		for {
			buf := make([]byte, min(piece, w.room()))
			n, err := from.Read(buf)
			if n > 0 {
				gone := l.bottleneck.book(n, l.Total)
				if after := own.book(n, l.Each); after.After(gone) {
					gone = after
				}
				time.Sleep(time.Until(gone))
				w.sent(n)
				l.Bytes.Add(int64(n))
				way <- parcel{gone.Add(l.RTT / 2), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	return way
}

// arrive hands over what is due, and tells of each parcel that was taken.
func arrive(to io.WriteCloser, way <-chan parcel, taken func(n int)) {
	defer to.Close()
	broken := false
	for p := range way {
		if broken {
			taken(len(p.data)) // the sender is read to its end
			continue
		}
		time.Sleep(time.Until(p.due))
		_, err := to.Write(p.data)
		if broken = err != nil; broken {
			_ = to.Close()
		}
		taken(len(p.data))
	}
}

// window is what one connection may have under way.
type window struct {
	rtt       time.Duration
	most      int // 0 has no bound
	mu        sync.Mutex
	changed   sync.Cond
	size, out int
	acks      chan parcel
}

func newWindow(l *Line) *window {
	w := &window{rtt: l.RTT, size: firstWindow, acks: make(chan parcel, 8192)}
	// More than a round trip's: the rate bounds it, and not a timer that is late.
	w.most = max(4*piece, int(l.Each*int64(l.RTT+5*late)/int64(time.Second)))
	if l.Each <= 0 {
		w.size, w.most = mostWindow, mostWindow
	}
	w.changed.L = &w.mu
	go func() { // confirmations travel back
		for a := range w.acks {
			time.Sleep(time.Until(a.due))
			w.mu.Lock()
			w.out -= len(a.data)
			w.size = min(w.most, w.size+len(a.data))
			w.mu.Unlock()
			w.changed.Broadcast()
		}
	}()
	return w
}

// room waits until a piece may be sent.
func (w *window) room() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.size-w.out < min(piece, w.size) {
		w.changed.Wait()
	}
	return w.size - w.out
}

func (w *window) sent(n int) {
	w.mu.Lock()
	w.out += n
	w.mu.Unlock()
}

// nothing is as long as a confirmation says; it is never read.
var nothing [piece]byte

func (w *window) confirm(n int) {
	w.acks <- parcel{time.Now().Add(w.rtt / 2), nothing[:n]}
}

func (w *window) close() { close(w.acks) }
