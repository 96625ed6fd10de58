package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/kverify/kverify/pkg/fetch"
)

// A live run asks over the whole stack; here the bottom of it is a function
// that answers for dl.k8s.io without a network, so what comes is Carried.
func ExampleClient() {
	bottom := roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/release/stable.txt" {
			return &http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(strings.NewReader("v1.27.2"))}, nil
		}
		return &http.Response{StatusCode: 404, ContentLength: -1, Body: http.NoBody}, nil
	})
	c := &fetch.Client{Transport: &fetch.Retry{Next: &fetch.Limiter{Next: bottom}}}

	resp, err := c.Get(context.Background(), "https://dl.k8s.io/release/stable.txt", 64)
	fmt.Println(string(resp.Body), resp.Origin, err)

	_, err = c.Get(context.Background(), "https://dl.k8s.io/release/stable-9.99.txt", 64)
	var e *fetch.Error
	if errors.As(err, &e) {
		fmt.Println(e.Kind)
	}
	fmt.Println(err)
	// Output:
	// v1.27.2 carried <nil>
	// not found
	// GET https://dl.k8s.io/release/stable-9.99.txt: status 404 Not Found; check that the name and version exist
}
