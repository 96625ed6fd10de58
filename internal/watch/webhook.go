package watch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/kverify/kverify/pkg/fetch"
)

// Webhook is where events are delivered.
type Webhook struct {
	URL *url.URL // http or https, without credentials; its path and query may be a secret, and are never shown
	// Authorization gives the value of that header, anew for each document; nil sends none.
	Authorization func(ctx context.Context) (string, error)
	Fetch         *fetch.Client // whose transport knows no credentials of registries
}

const (
	// sendTime is what one delivery may take.
	sendTime = 30 * time.Second
	// maxReply caps what a webhook answers, of which nothing is used.
	maxReply = 1 << 20
)

// RejectedError says that a webhook will never take a document.
type RejectedError struct {
	Host   string
	Status int
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the webhook at %s answered %d: it does not take this document; see its own log", e.Host, e.Status)
}

// DeliveryError says that a webhook did not take a document this time. It names the host
// alone: where secrets are part of addresses, an error of a client would tell them.
type DeliveryError struct {
	Host   string
	Status int // 0 if there was no answer
	Kind   fetch.Kind
}

// stays says whether a second answer would be the same, before somebody has done something.
func (e *DeliveryError) stays() bool {
	return e.Status >= 300 && e.Status <= 499 && e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests
}

func (e *DeliveryError) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("the webhook at %s answered %d; check it, and its authorization", e.Host, e.Status)
	}
	return fmt.Sprintf("the webhook at %s could not be reached (%s); check its address", e.Host, e.Kind)
}

// errRedirected keeps a document, and the header beside it, with the host that it is for.
var errRedirected = errors.New("a webhook's redirect is not followed")

// Send posts one document. The error is a [*RejectedError], a
// [*DeliveryError], or what Authorization gave.
func (h *Webhook) Send(ctx context.Context, document []byte) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	header := http.Header{"Content-Type": {"application/json"}}
	if h.Authorization != nil {
		value, err := h.Authorization(ctx)
		if err != nil {
			return err
		}
		header.Set("Authorization", value)
	}
	_, err := h.Fetch.Do(ctx, fetch.Request{
		Method: http.MethodPost, URL: h.URL.String(), Header: header, Body: document, Limit: maxReply, AllowHTML: true,
		Follow: func(*url.URL) error { return errRedirected },
	})
	var failed *fetch.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return &DeliveryError{Host: h.URL.Host}
	case failed.Status >= 200 && failed.Status <= 299:
		return nil // it was taken: only what the webhook says besides is not as it should be
	}
	switch failed.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return &RejectedError{h.URL.Host, failed.Status}
	}
	return &DeliveryError{h.URL.Host, failed.Status, failed.Kind}
}
