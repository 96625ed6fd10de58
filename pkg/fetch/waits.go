package fetch

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Waits tells the observer of a run for which hosts requests wait. The zero value is
// ready, and may be used by many goroutines.
type Waits struct {
	mu    sync.Mutex
	hosts map[string]Wait
}

// Wait is a host that requests wait for.
type Wait struct {
	Host   string
	Status int       // what it answered, such as 429
	Until  time.Time // when it is asked again
}

// String gives "HOST asks to wait (429)", or "HOST answered 503" of a host that failed.
func (w Wait) String() string {
	if w.Status == http.StatusTooManyRequests {
		return fmt.Sprintf("%s asks to wait (%d)", w.Host, w.Status)
	}
	return fmt.Sprintf("%s answered %d", w.Host, w.Status)
}

// long is the shortest wait that a user should be told of.
const long = time.Second

// note remembers that requests to a host wait, if they do for long. A nil Waits forgets it.
func (w *Waits) note(host string, resp *http.Response, d time.Duration) {
	if w == nil || resp == nil || d < long {
		return
	}
	until := time.Now().Add(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = map[string]Wait{}
	}
	if until.After(w.hosts[host].Until) {
		w.hosts[host] = Wait{Host: host, Status: resp.StatusCode, Until: until}
	}
}

// Now lists the hosts that are waited for, by name.
func (w *Waits) Now() (list []Wait) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.hosts {
		if one.Until.After(now) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b Wait) int { return cmp.Compare(a.Host, b.Host) })
	return list
}
