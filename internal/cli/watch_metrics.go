package cli

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/par"
)

const (
	// scrapeTimeout bounds each part of a scrape, and scrapeHeaders what one may say.
	scrapeTimeout = 10 * time.Second
	scrapeHeaders = 16 << 10
	// scrapeDrain is for scrapes that are under way at the end.
	scrapeDrain = 2 * time.Second
)

// listen opens the address of --metrics, and gives what serves there until its context ends.
func (r *watching) listen(ctx context.Context) (served func(context.Context) error, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", r.own.metrics)
	if err != nil {
		return nil, command.Usagef("--metrics %s: %w; name an ADDRESS:PORT of this machine that is free", r.own.metrics, command.PlainError(err))
	}
	r.say("serving metrics on http://%s", ln.Addr())
	server := &http.Server{
		Handler: r.handler(), ErrorLog: r.app.ServerLog(r.set), MaxHeaderBytes: scrapeHeaders,
		ReadHeaderTimeout: scrapeTimeout, ReadTimeout: scrapeTimeout, WriteTimeout: scrapeTimeout, IdleTimeout: time.Minute,
	}
	return func(ctx context.Context) (err error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		par.Do(
			func() {
				defer stop()
				err = server.Serve(ln)
			},
			func() {
				<-ctx.Done()
				draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), scrapeDrain)
				defer cancel()
				_ = server.Shutdown(draining)
				_ = server.Close()
			},
		)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, nil
}

// handler answers scrapes, and nothing else.
func (r *watching) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_ = r.watch.Metrics.Write(w) // who scrapes has gone
	})
	return mux
}
