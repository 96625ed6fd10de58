// Command peers measures kverify beside other ways to do the same work: the
// real cosign in the ways in which people run it. `make bench-peers` runs it
// and prints the tables of docs/performance.md, `make bench-scale` the figures
// and the picture of many references.
//
// There are two processes, so that each measurement is of a client alone and
// is started from a small process. One measures. The other, a child, is the
// world outside: a real registry (distribution v3) filled with the release of
// internal/world, a front with TLS and HTTP/2 that sends requests on as
// registry.k8s.io does, and before it a line with a round trip time.
//
// The line is an HTTP proxy. It hands over bytes half a round trip late in each
// direction, and answers a CONNECT after a whole one, as a TCP handshake would.
// So a TLS 1.3 connection costs two round trips before its first request, and
// a request one, however many share a connection. With HTTPS_PROXY and
// SSL_CERT_FILE every program takes it for the internet, under the real names
// of hosts. Bandwidth, loss, TCP's slow start and DNS are not modelled.
package main
