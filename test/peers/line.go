package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// line is a proxy that is a round trip away from everywhere.
type line struct {
	listener net.Listener
	to       string // where every CONNECT ends
	rtt      atomic.Int64

	bytes, connections atomic.Int64
}

func startLine(ctx context.Context, to string) (*line, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &line{listener: l, to: to}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go p.connect(ctx, conn)
		}
	}()
	return p, nil
}

func (p *line) url() string { return "http://" + p.listener.Addr().String() }

func (p *line) connect(ctx context.Context, client net.Conn) {
	from := bufio.NewReader(client)
	req, err := http.ReadRequest(from)
	if err != nil || req.Method != http.MethodConnect {
		_, _ = io.WriteString(client, "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
		_ = client.Close()
		return
	}
	server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.to)
	if err != nil {
		_ = client.Close()
		return
	}
	p.connections.Add(1)
	late := time.Duration(p.rtt.Load())
	time.Sleep(late) // the SYN there, the SYN-ACK back
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		_ = server.Close()
		_ = client.Close()
		return
	}
	go p.carry(server, from, late/2)
	p.carry(client, server, late/2)
}

// parcel is what was sent at one moment, and is to arrive at another.
type parcel struct {
	due  time.Time
	data []byte
}

// carry brings bytes over, each late by the same time: what is sent in a row
// arrives in a row, and nothing waits for an answer.
func (p *line) carry(to net.Conn, from io.Reader, late time.Duration) {
	way := make(chan parcel, 4096)
	go func() {
		defer close(way)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				p.bytes.Add(int64(n))
				way <- parcel{time.Now().Add(late), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for sent := range way {
		if broken {
			continue // the sender is read to its end
		}
		if late > 0 {
			time.Sleep(time.Until(sent.due))
		}
		_, err := to.Write(sent.data)
		broken = err != nil
	}
	_ = to.Close()
}
