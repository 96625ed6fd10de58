package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestStreams holds which answers are read as they come, to which byte, and how the others fail.
func TestStreams(t *testing.T) {
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		s     served
		limit int64
		gone  bool // who asked, before it is read
		opens string
		reads string
	}{
		"whole":                 {served{status: 200, length: 4, body: "body"}, 4, false, "", "body"},
		"not announced":         {served{status: 200, length: -1, body: "body"}, 4, false, "", "body"},
		"empty":                 {served{status: 200, length: 0}, 4, false, "", ""},
		"too long":              {served{status: 200, length: -1, body: "body"}, 3, false, "", "too large"},
		"announced as too long": {served{status: 200, length: 4, body: "body"}, 3, false, "too large", ""},
		"short":                 {served{status: 200, length: 5, body: "body"}, 9, false, "", "truncated"},
		"long":                  {served{status: 200, length: 3, body: "body"}, 9, false, "", "truncated"},
		"cut":                   {served{status: 200, length: 5, body: "body", err: broken}, 9, false, "", "truncated"},
		"announced as nothing":  {served{status: 200, length: 0, body: "body"}, 9, false, "", "truncated"},
		"cut, not announced":    {served{status: 200, length: -1, body: "body", err: broken}, 9, false, "", "truncated"},
		"nobody reads":          {served{status: 200, length: 5, body: "body", err: broken}, 9, true, "", "cancelled"},
		"a page":                {served{status: 200, length: -1, header: "Content-Type: text/html", body: "<html>"}, 9, false, "", "<html>"},
		"encoded":               {served{status: 200, length: -1, header: "Content-Encoding: gzip", body: "body"}, 9, false, "not a document", ""},
		"a part":                {served{status: 206, length: -1, body: "body"}, 9, false, "bad status", ""},
		"no content":            {served{status: 204, length: 0}, 9, false, "bad status", ""},
		"not there":             {served{status: 404, length: -1, body: "gone"}, 9, false, "not found", ""},
		"a status of its own":   {served{status: 300, length: -1, body: "many"}, 9, false, "bad status", ""},
		"a last success":        {served{status: 299, length: -1, body: "body"}, 9, false, "bad status", ""},
	} {
		closed := 0
		c := &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			if limit, _ := r.Context().Value(limitKey{}).(int64); limit != tt.limit {
				t.Errorf("%s: the transport was told of %d bytes", name, limit)
			}
			resp := tt.s.response()
			resp.Body = &closing{resp.Body, &closed}
			return resp, nil
		})}
		ctx, end := context.WithCancel(t.Context())
		stream, err := c.Open(ctx, Request{URL: "https://a.example/", Limit: tt.limit})
		kind := func(err error) string {
			var e *Error
			if errors.As(err, &e) {
				return e.Kind.String()
			}
			return fmt.Sprint(err)
		}
		if err != nil {
			var e *Error
			if kind(err) != tt.opens || errors.As(err, &e) && string(e.Body) != tt.s.body || closed == 0 || tt.s.status < 300 && e.Err == nil {
				t.Errorf("%s: %v, closed %d times", name, err, closed)
			}
			end()
			continue
		}
		if tt.gone {
			end()
		}
		text, err := io.ReadAll(stream)
		got := string(text)
		if err != nil {
			got = kind(err)
		}
		if got != tt.reads || tt.opens != "" || closed != 0 {
			t.Errorf("%s: %q %v, closed %d times", name, got, err, closed)
		}
		if err := stream.Close(); err != nil || closed != 1 {
			t.Errorf("%s: closed %d times, %v", name, closed, err)
		}
		end()
	}
	for limit, want := range map[int64]int64{0: DefaultLimit, -1: DefaultLimit, 1: 1, smallFile: smallFile, smallFile + 1: smallFile + 1} {
		told, bulky := int64(0), false
		c := &Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			told, _ = r.Context().Value(limitKey{}).(int64)
			_, bulky = r.Context().Value(bulkKey{}).(*bulk)
			return served{status: 200, length: -1, body: strings.Repeat("x", 2)}.response(), nil
		})}
		stream, err := c.Open(t.Context(), Request{URL: "https://a.example/", Limit: limit})
		if err != nil || told != want || bulky != (want > smallFile) || stream.limit != want {
			t.Errorf("limit %d: told %d, lanes %v, %v", limit, told, bulky, err)
		}
	}
	if stream, err := new(Client).Open(t.Context(), Request{URL: "https://a.example/"}); stream != nil || !Is(err, Unreachable) {
		t.Errorf("%+v %v", stream, err)
	}
}
