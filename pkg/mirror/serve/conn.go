package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// stalled is for how long a client may take nothing of what is sent to it.
const stalled = 60 * time.Second

// extend moves a deadline on, in steps and not for every write, and says whether it did.
func extend(deadline *time.Time, now time.Time) bool {
	if !now.Add(stalled * 3 / 4).After(*deadline) {
		return false
	}
	*deadline = now.Add(stalled)
	return true
}

// maxGathered is the longest body that leaves in one write with its headers.
const maxGathered = blockSize - 8<<10

// Listen lets a server write each short answer at once, and give up on a client that
// takes nothing for a minute. net/http itself writes an answer in pieces of 4 KiB, and each
// piece wakes the client. It sets server's ConnContext, and returns what server is to
// serve on in place of ln. A [Handler] works without it too.
func Listen(server *http.Server, ln net.Listener) net.Listener {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if over, ok := c.(interface{ NetConn() net.Conn }); ok { // TLS
			c = over.NetConn()
		}
		return context.WithValue(ctx, connKey{}, c)
	}
	return listener{ln}
}

type connKey struct{}

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a connection to a client.
type conn struct {
	net.Conn
	mu    sync.Mutex // TLS may write while it reads
	held  []byte     // of a block, while an answer is gathered
	block *[]byte

	timing sync.Mutex // never held while anything is sent
	own    time.Time  // the deadline of a client that stalls
	set    time.Time  // the server's own, for a handshake or a farewell; zero is none
}

// connOf is the connection on which a request came alone, or nil.
func connOf(req *http.Request) *conn {
	c, _ := req.Context().Value(connKey{}).(*conn)
	if req.ProtoMajor != 1 { // others share it
		return nil
	}
	return c
}

func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.block != nil {
		if len(c.held)+len(p) <= blockSize {
			c.held = append(c.held, p...)
			return len(p), nil
		}
		if err := c.release(); err != nil {
			return 0, err
		}
	}
	return c.write(p)
}

// write sends, and gives up on a client that takes nothing.
func (c *conn) write(p []byte) (int, error) {
	if err := c.extend(); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

func (c *conn) extend() error {
	c.timing.Lock()
	defer c.timing.Unlock()
	if !c.set.IsZero() || !extend(&c.own, time.Now()) {
		return nil
	}
	return c.Conn.SetWriteDeadline(c.own)
}

// SetWriteDeadline keeps the server's own deadline. Where it sets none, as net/http does after each
// request, that of a client that stalls stays.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.timing.Lock()
	defer c.timing.Unlock()
	if t.IsZero() && c.set.IsZero() {
		return nil
	}
	c.set, c.own = t, time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline is both of them.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends what is sent, so that a client that still sends reads the answer to its end.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// gather holds back what is written until flush, or until it is more than a block.
func (c *conn) gather() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.block = takeBlock()
	c.held = (*c.block)[:0]
}

// flush sends what was held back. A client that did not get all of it gets no more.
func (c *conn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.release(); err != nil {
		_ = c.Conn.Close()
	}
}

func (c *conn) release() error {
	if c.block == nil {
		return nil
	}
	held := c.held
	defer freeBlock(c.block)
	c.block, c.held = nil, nil
	if len(held) == 0 {
		return nil
	}
	_, err := c.write(held)
	return err
}
