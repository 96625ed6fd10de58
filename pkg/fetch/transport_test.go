package fetch

import (
	"crypto/tls"
	"net/http"
	"testing"
	"time"
)

// TestTheFloorOfATransport holds what every connection is made with, and what the caller may set of it:
// no TLS below 1.2, no compression, and a bound for each wait.
func TestTheFloorOfATransport(t *testing.T) {
	own := tls.NewLRUClientSessionCache(1)
	for name, tt := range map[string]struct {
		o                       Options
		version                 uint16
		connect, header, stalls time.Duration
		idle                    int
		own                     bool
	}{
		"by default": {Options{}, tls.VersionTLS12, 10 * time.Second, 30 * time.Second, 0, DefaultInFlight, false}, "below naught": {Options{Connect: -1, Header: -1, Idle: -1}, tls.VersionTLS12, 10 * time.Second, 30 * time.Second, 0, DefaultInFlight, false},
		"set":     {Options{Connect: time.Second, Header: time.Minute, Idle: 3, StallTimeout: time.Hour}, tls.VersionTLS12, time.Second, time.Minute, time.Hour, 3, false},
		"old TLS": {Options{TLS: &tls.Config{MinVersion: tls.VersionTLS10}}, tls.VersionTLS12, 10 * time.Second, 30 * time.Second, 0, DefaultInFlight, false}, "new TLS": {Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}}, tls.VersionTLS13, 10 * time.Second, 30 * time.Second, 0, DefaultInFlight, false},
		"a cache": {Options{TLS: &tls.Config{ClientSessionCache: own}}, tls.VersionTLS12, 10 * time.Second, 30 * time.Second, 0, DefaultInFlight, true},
	} {
		before := uint16(0)
		if tt.o.TLS != nil {
			before = tt.o.TLS.MinVersion
		}
		guard := NewTransport(tt.o).(*StallGuard) //nolint:forcetypeassert // the stack
		shared := guard.Next.(*lanes)             //nolint:forcetypeassert // the stack
		for i, lane := range []http.RoundTripper{shared.all[0], shared.further()} {
			g := lane.(*gate)                //nolint:forcetypeassert // the stack
			base := g.next.(*http.Transport) //nolint:forcetypeassert // the stack
			conf := base.TLSClientConfig
			if conf.MinVersion != tt.version || conf.ClientSessionCache == nil || (conf.ClientSessionCache == own) != tt.own || conf.InsecureSkipVerify || conf.ServerName != "" {
				t.Errorf("%s, lane %d: TLS from %x on, sessions %v", name, i, conf.MinVersion, conf.ClientSessionCache)
			}
			if base.TLSHandshakeTimeout != tt.connect || base.ResponseHeaderTimeout != tt.header || guard.Timeout != tt.stalls || base.HTTP2.WriteByteTimeout != tt.header || base.HTTP2.SendPingTimeout <= 0 || base.HTTP2.PingTimeout <= 0 || base.IdleConnTimeout <= 0 {
				t.Errorf("%s, lane %d: connects for %s, waits %s, %s", name, i, base.TLSHandshakeTimeout, base.ResponseHeaderTimeout, guard.Timeout)
			}
			if base.MaxConnsPerHost != tt.idle || base.MaxIdleConnsPerHost != tt.idle || !base.DisableCompression || !base.ForceAttemptHTTP2 || base.HTTP2.StrictMaxConcurrentRequests || base.MaxResponseHeaderBytes != maxHeader || g.most != map[bool]int{true: maxShared, false: 1}[i == 0] {
				t.Errorf("%s, lane %d: %+v", name, i, base)
			}
		}
		if tt.o.TLS != nil && tt.o.TLS.MinVersion != before {
			t.Errorf("%s: the caller's settings were changed", name)
		}
	}
}
