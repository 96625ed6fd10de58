package serve

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kverify/kverify/pkg/mirror"
)

// A counting listener counts what its connections write.
type counting struct {
	net.Listener
	writes *atomic.Int64
}

func (l counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l.writes}, err
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countingConn) CloseWrite() error {
	tcp, ok := c.Conn.(*net.TCPConn)
	if !ok {
		return errors.ErrUnsupported
	}
	return tcp.CloseWrite()
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// listened serves a mirror on what Listen gives, and counts what is written.
func listened(t *testing.T, files tree, secure bool) (server *httptest.Server, writes *atomic.Int64) {
	t.Helper()
	_, _, h, _ := serveTree(t, files)
	server = httptest.NewUnstartedServer(h)
	server.EnableHTTP2 = secure
	writes = new(atomic.Int64)
	server.Listener = Listen(server.Config, counting{server.Listener, writes})
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server, writes
}

// sized is a mirror with a file of n bytes at the path that is returned.
func sized(n int) (files tree, path, content string) {
	files, index, image, _, _ := sample()
	path, content = "release/v1.27.2/kubernetes-release.spdx", strings.Repeat("0123456789abcde\n", n/16+1)[:n]
	files["files/dl.k8s.io/"+path] = content
	files["MANIFEST.json"] = files.manifest(index, image)
	return files, path, content
}

// An answer that fits into a block leaves in one write, whatever its size and whatever is
// asked for of it; one that does not leaves in as many as without.
func TestAnswerLeavesAtOnce(t *testing.T) {
	for _, tt := range []struct {
		size   int
		method string
		header string
		status int
		sent   int
		atOnce bool
	}{
		{0, "GET", "", 200, 0, true},
		{1, "GET", "", 200, 1, true},
		{4 << 10, "GET", "", 200, 4 << 10, true},
		{4 << 10, "HEAD", "", 200, 0, true},
		{4 << 10, "GET", "Range: bytes=1-3", 206, 3, true},
		{4 << 10, "GET", "Range: bytes=9000-", 416, -1, true},
		{4 << 10, "GET", "Connection: close", 200, 4 << 10, true},
		{maxGathered, "GET", "", 200, maxGathered, true},
		{maxGathered + 1, "GET", "", 200, maxGathered + 1, false},
		{1 << 20, "GET", "", 200, 1 << 20, false},
	} {
		t.Run(fmt.Sprintf("%s %d %s", tt.method, tt.size, tt.header), func(t *testing.T) {
			files, path, content := sized(tt.size)
			server, writes := listened(t, files, false)
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			in := bufio.NewReader(conn)
			for range 2 { // on the same connection, unless it is to be closed
				before := writes.Load()
				if _, err := fmt.Fprintf(conn, "%s /%s HTTP/1.1\r\nHost: mirror\r\n%s\r\n", tt.method, path, strings.TrimPrefix(tt.header+"\r\n", "\r\n")); err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(in, &http.Request{Method: tt.method})
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != tt.status || tt.sent >= 0 && len(body) != tt.sent || tt.status == 200 && !strings.HasPrefix(content, string(body)) {
					t.Errorf("%s with %d bytes, want %d with %d", resp.Status, len(body), tt.status, tt.sent)
				}
				if n := writes.Load() - before; n != 1 && tt.atOnce || n < 2 && !tt.atOnce {
					t.Errorf("the answer left in %d writes", n)
				}
				if resp.Close {
					break
				}
			}
		})
	}
}

// Requests that come before their answers are answered in their order.
func TestPipelinedRequests(t *testing.T) {
	files, path, content := sized(5000)
	server, _ := listened(t, files, false)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	paths := []string{path, "healthz", absentPath, path, "metrics", path}
	for _, p := range paths {
		if _, err := fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: mirror\r\n\r\n", p); err != nil {
			t.Fatal(err)
		}
	}
	in := bufio.NewReader(conn)
	for i, p := range paths {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(i, err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(i, err)
		}
		switch {
		case p == path && string(body) != content, p == "healthz" && string(body) != "ok\n", p == "metrics" && !strings.HasPrefix(string(body), "# HELP"),
			p == absentPath && resp.StatusCode != http.StatusNotFound:
			t.Errorf("answer %d, to %s: %s, %d bytes", i, p, resp.Status, len(body))
		}
	}
}

const absentPath = "release/v1.27.2/absent"

// Over TLS, where a connection may carry many requests at once, all is served too.
func TestListenTLS(t *testing.T) {
	files, path, content := sized(5000)
	server, writes := listened(t, files, true)
	client := server.Client()
	for _, major := range []int{2, 1} {
		if major == 1 {
			transport, ok := client.Transport.(*http.Transport)
			if !ok {
				t.Fatalf("%T", client.Transport)
			}
			one := &http.Transport{TLSClientConfig: transport.TLSClientConfig.Clone(), TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
			one.TLSClientConfig.NextProtos = nil
			t.Cleanup(one.CloseIdleConnections)
			client = &http.Client{Transport: one}
		}
		for range 3 {
			before := writes.Load()
			resp, err := client.Get(server.URL + "/" + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || string(body) != content || resp.ProtoMajor != major {
				t.Errorf("HTTP/%d: %s, %s, %d bytes, %v", major, resp.Proto, resp.Status, len(body), err)
			}
			if writes.Load() == before {
				t.Error("what was written did not pass the listener")
			}
		}
	}
}

// A client that takes nothing for a minute is given up, and one that takes a little is not.
func TestStalledClient(t *testing.T) {
	for _, held := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			c := &conn{Conn: near}
			send := func(text string) error {
				if !held {
					_, err := c.Write([]byte(text))
					return err
				}
				c.gather()
				if _, err := c.Write([]byte(text)); err != nil {
					return err
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.release()
			}
			for range 5 {
				go func() {
					time.Sleep(stalled * 2 / 3)
					_, _ = io.ReadFull(far, make([]byte, 5))
				}()
				if err := send("hello"); err != nil {
					t.Fatalf("held %t: a client that took 40 s was given up: %v", held, err)
				}
			}
			began := time.Now()
			if err := send("hello"); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("held %t: %v", held, err)
			}
			if took := time.Since(began); took > stalled || took < stalled/2 {
				t.Errorf("held %t: given up after %s", held, took)
			}
		})
	}
}

// The same of a client that was served before: net/http takes deadlines away after each request.
func TestStalledAfterAnswer(t *testing.T) {
	for _, before := range []int{0, 1, 3} {
		files, path, _ := sized(3 << 20)
		d, err := mirror.Open(files.write(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			ln := &oneConn{make(chan net.Conn, 1)}
			ln.conns <- near
			ended := make(chan struct{})
			server := &http.Server{Handler: NewHandler(d), ReadHeaderTimeout: time.Second, ConnState: func(_ net.Conn, s http.ConnState) {
				if s == http.StateClosed {
					close(ended)
				}
			}}
			go func() { _ = server.Serve(Listen(server, ln)) }()
			in := bufio.NewReader(far)
			for range before {
				fmt.Fprint(far, "GET /healthz HTTP/1.1\r\nHost: m\r\n\r\n")
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				time.Sleep(5 * time.Second)
			}
			fmt.Fprintf(far, "GET /%s HTTP/1.1\r\nHost: m\r\n\r\n", path)
			began := time.Now()
			select {
			case <-ended:
			case <-time.After(2 * stalled):
				t.Errorf("after %d answers a client that took nothing is not given up", before)
			}
			if took := time.Since(began); took > stalled {
				t.Errorf("after %d answers it took %s", before, took)
			}
			_ = far.Close()
			_ = server.Close()
		})
	}
}

// oneConn is a listener of the connections that are put into it.
type oneConn struct{ conns chan net.Conn }

func (l *oneConn) Accept() (net.Conn, error) {
	c, ok := <-l.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *oneConn) Close() error {
	close(l.conns)
	return nil
}

func (*oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A deadline of the server's own, as for a handshake, is neither lengthened nor kept beyond.
func TestServersOwnDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := &conn{Conn: near}
		for _, tt := range []struct {
			set  time.Duration // 0 takes it away
			want time.Duration
		}{{5 * time.Second, 5 * time.Second}, {0, stalled}, {0, stalled}, {2 * stalled, 2 * stalled}, {0, stalled}} {
			var at time.Time
			if tt.set != 0 {
				at = time.Now().Add(tt.set)
			}
			if err := c.SetDeadline(at); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if _, err := c.Write([]byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) > tt.want || time.Since(began) < tt.want/2 {
				t.Errorf("after a deadline of %s: %v after %s, want %s", tt.set, err, time.Since(began), tt.want)
			}
		}
	})
}

// A client that still sends when it is answered reads the answer to its end.
func TestAnswerToUnreadBody(t *testing.T) {
	files, _, _ := sized(10)
	server, _ := listened(t, files, false)
	client, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	fmt.Fprint(client, "POST /healthz HTTP/1.1\r\nHost: m\r\nContent-Length: 10000000\r\n\r\n")
	_, _ = client.Write(make([]byte, 600_000))
	if text, err := io.ReadAll(client); err != nil || !bytes.HasPrefix(text, []byte("HTTP/1.1 405 ")) {
		t.Errorf("%.20q, %v", text, err)
	}
	near, _ := net.Pipe()
	if err := (&conn{Conn: near}).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("where no half can be closed: %v", err)
	}
}

// A client that got a part of what was held back gets nothing of what comes after it.
func TestPartOfAnswerIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := &conn{Conn: near}
		c.gather()
		if _, err := c.Write([]byte("the first answer")); err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		go func() {
			part := make([]byte, 4)
			_, _ = io.ReadFull(far, part)
			got.Write(part)
			time.Sleep(2 * stalled)
			_, _ = io.Copy(&got, far)
		}()
		c.flush()
		if _, err := c.Write([]byte("another answer")); err == nil {
			t.Error("another answer was sent")
		}
		_ = near.Close()
		time.Sleep(3 * stalled)
		synctest.Wait()
		if got.String() != "the " {
			t.Errorf("the client got %q", got.String())
		}
	})
}

// What is more than a block is not held back, and comes in order.
func TestGatheredBeyondBlock(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := &conn{Conn: near}
	var want bytes.Buffer
	for i := range 5000 {
		fmt.Fprintf(&want, "%d, ", i*i*i)
	}
	want.Write(bytes.Repeat([]byte("0123456789"), 20_000))
	done := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		done <- b
	}()
	c.gather()
	for left := want.Bytes(); len(left) > 0; {
		n := min(len(left), 3000)
		if _, err := c.Write(left[:n]); err != nil {
			t.Fatal(err)
		}
		left = left[n:]
	}
	c.flush()
	c.flush() // once more sends nothing
	_ = near.Close()
	if got := <-done; !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes came, of %d", len(got), want.Len())
	}
}
