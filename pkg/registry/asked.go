package registry

import "strings"

// Asked names where a repository is really asked for: mapped says that an
// endpoint stands in for its host, and then at is the URL of the repository there.
func (c *Client) Asked(host, repo string) (at string, mapped bool) {
	p, _ := c.locate(host, repo) // what is no name is not mapped
	if !p.mapped {
		return host + "/" + repo, false
	}
	return strings.TrimSuffix(p.root, "v2/") + p.repo, true
}
