package registry

import (
	"slices"
	"strings"
	"sync"

	"github.com/kverify/kverify/internal/lazyregexp"
	"github.com/kverify/kverify/pkg/fetch"
)

const (
	routesKey = "routes"
	maxRoutes = 16
)

// routesMutex orders those of one process that add a route.
var routesMutex sync.Mutex

// routeEnd is where registry.k8s.io's redirects lead: the Artifact Registry of a region, or a
// storage host (github.com/kubernetes/registry.k8s.io, cmd/archeio). Nothing else is
// connected to on the word of a file.
var routeEnd = lazyregexp.New(`^[a-z0-9-]+(\.[a-z0-9-]+)*\.(pkg\.dev|amazonaws\.com|googleapis\.com)$`)

func isRoute(from, to string) bool {
	return fetch.PublishedHost(from) && len(to) <= 253 && routeEnd().MatchString(to)
}

// Routes are where the publishers' redirects led in earlier runs, by the host that sent on, as
// [fetch.LiveOptions.Preconnect] has them. They are hints: a wrong one costs a connection.
func (c *Cache) Routes() map[string][]string {
	routes := map[string][]string{}
	for _, r := range c.routes() {
		routes[r[0]] = append(routes[r[0]], r[1])
	}
	return routes
}

func (c *Cache) routes() (list [][2]string) {
	_, body, _ := c.get(routesKey)
	for line := range strings.Lines(string(body)) {
		from, to, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if r := [2]string{from, to}; isRoute(from, to) && len(list) < maxRoutes && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	return list
}

// KeepRoute keeps that a publisher's host sent a request on to another. Others than
// registry.k8s.io's redirects lead to are not kept; the newest come first.
func (c *Cache) KeepRoute(from, to string) {
	if !isRoute(from, to) {
		return
	}
	routesMutex.Lock()
	defer routesMutex.Unlock()
	route, old := [2]string{from, to}, c.routes()
	if slices.Contains(old, route) {
		return
	}
	list := append([][2]string{route}, old...)
	var b strings.Builder
	for _, r := range list[:min(len(list), maxRoutes)] {
		b.WriteString(r[0] + " " + r[1] + "\n")
	}
	c.put(routesKey, "", []byte(b.String()))
}
