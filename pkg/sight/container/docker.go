package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/sight"
)

// listPrice is what a list of docker's costs a reader.
var listPrice = bounds.Price{Item: 512, Object: 512, Value: 64}

// dockerImage is an entry of docker's manifest.json (moby, daemon/internal/image/tarexport,
// manifestItem), with its members by their exact names.
type dockerImage struct {
	config string
	tags   []string
	layers []string
}

// readDocker reads docker's manifest.json and repositories, if they lie there and
// have docker's form.
func (c *Container) readDocker(ctx context.Context) (bool, error) {
	e, err := c.find(manifestFile)
	if err != nil {
		return false, err
	}
	before, isDocker := len(c.copies), false
	if e != nil {
		text, err := e.document(ctx, &c.text)
		if err != nil && !errors.Is(err, errNoDocument) {
			return false, err
		}
		if isDocker = isList(text); isDocker {
			if err := c.readDockerImages(ctx, e, text); err != nil {
				return false, err
			}
		}
	}
	old, err := c.find(repositoriesFile)
	if old == nil || err != nil {
		return isDocker, err
	}
	text, err := old.document(ctx, &c.text)
	if err != nil {
		return false, err
	}
	return true, c.readRepositories(old, text, c.copies[before:])
}

// isList tells docker's list from the manifest that is skopeo's manifest.json.
func isList(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && text[0] == '['
}

func (c *Container) readDockerImages(ctx context.Context, e *entry, text []byte) error {
	list, err := parseDockerList(text)
	if err != nil {
		return e.malformed(err)
	}
	for _, image := range list {
		node, err := c.dockerNode(ctx, image)
		if err != nil {
			return err
		}
		if err := c.add(manifestFile, image.tags, node.Config.Entry, node, 2+len(node.Layers)); err != nil {
			return err
		}
	}
	return nil
}

// dockerNode reads an image of docker's, which has a config and layers and no
// manifest. docker writes no digest and no media type of them.
func (c *Container) dockerNode(ctx context.Context, image dockerImage) (sight.Node, error) {
	n := sight.Node{Role: sight.Config}
	blob := func(name string, isLayer bool) (sight.Blob, *entry) {
		e, err := c.find(name)
		if err != nil && n.Err == nil {
			n.Err = err
		}
		if e == nil {
			return sight.Blob{Entry: name}, nil
		}
		c.rememberBlob(e)
		b := e.blob(registry.Descriptor{}, isLayer)
		return b, e
	}
	config, e := blob(image.config, false)
	n.Config = config
	if e != nil {
		text, err := e.document(ctx, &c.text)
		if err := fatal(ctx, err); err != nil {
			return n, err
		}
		if n.ConfigBytes = text; err != nil {
			n.Err = err
		}
	}
	for _, name := range image.layers {
		b, _ := blob(name, true)
		n.Layers = append(n.Layers, b)
	}
	return n, nil
}

func parseDockerList(text []byte) ([]dockerImage, error) {
	if err := checkList(text); err != nil {
		return nil, err
	}
	var items []map[string]json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil {
		return nil, strictjson.Plain(err)
	}
	var list []dockerImage
	for i, item := range items {
		image := dockerImage{}
		for key, to := range map[string]any{"Config": &image.config, "RepoTags": &image.tags, "Layers": &image.layers} {
			value, ok := item[key]
			if !ok && key != "RepoTags" {
				return nil, fmt.Errorf("image %d of its list has no %s", i+1, key)
			}
			if err := json.Unmarshal(orNull(value), to); err != nil {
				return nil, fmt.Errorf("the %s of image %d of its list cannot be read", key, i+1)
			}
		}
		for key := range item {
			for _, exact := range []string{"Config", "RepoTags", "Layers"} {
				if strictjson.Twin(key, exact) {
					return nil, fmt.Errorf("image %d of its list has %.40q, which some readers take for %s", i+1, key, exact)
				}
			}
		}
		if image.config == "" {
			return nil, fmt.Errorf("image %d of its list has no config", i+1)
		}
		list = append(list, image)
	}
	return list, nil
}

func orNull(value json.RawMessage) json.RawMessage {
	if value == nil {
		return json.RawMessage("null")
	}
	return value
}

func checkList(text []byte) error {
	if err := bounds.JSON(text, listPrice, bounds.Memory); err != nil {
		return err
	}
	return strictjson.Check(text)
}

// readRepositories reads the list of docker's that is older than manifest.json: a
// name, a tag, and the identifier of the topmost layer. What it calls by a name is
// the image of manifest.json with that layer on top; without it there is no config.
func (c *Container) readRepositories(e *entry, text []byte, images []sight.Copy) error {
	if err := checkList(text); err != nil {
		return e.malformed(err)
	}
	var list map[string]map[string]string
	if err := json.Unmarshal(text, &list); err != nil {
		return e.malformed(strictjson.Plain(err))
	}
	on := tops(images)
	for _, repo := range slices.Sorted(maps.Keys(list)) {
		for _, tag := range slices.Sorted(maps.Keys(list[repo])) {
			name := repo + ":" + tag
			root := c.topped(list[repo][tag], name, on)
			if err := c.add(repositoriesFile, []string{name}, repositoriesFile, root, 2+len(root.Layers)); err != nil {
				return err
			}
		}
	}
	return nil
}

// tops gives the images by the entry of their topmost layer.
func tops(images []sight.Copy) map[string][]sight.Copy {
	on := map[string][]sight.Copy{}
	for _, i := range images {
		if n := len(i.Root.Layers); n > 0 {
			top := i.Root.Layers[n-1].Entry
			on[top] = append(on[top], i)
		}
	}
	return on
}

// topped finds the image of that name whose topmost layer has that identifier, or
// else any of that layer.
func (c *Container) topped(id, name string, on map[string][]sight.Copy) sight.Node {
	var found []sight.Copy
	for _, at := range []string{path.Join(id, "layer.tar"), path.Join(blobsFolder, id), id + ".tar"} {
		e, err := c.find(at)
		if err != nil {
			return sight.Node{Role: sight.Config, Err: err}
		}
		if e != nil {
			found = append(found, on[e.name]...)
		}
	}
	if len(found) == 0 {
		err := &Error{Path: c.path, Entry: repositoriesFile, Err: errors.New("no config"),
			Why: fmt.Sprintf("%.100q is an image that manifest.json does not list, and so has no config (docker before 1.10 wrote such)", name)}
		return sight.Node{Role: sight.Config, Err: err}
	}
	for _, i := range found {
		if slices.Contains(i.Names, name) {
			return i.Root
		}
	}
	return found[0].Root
}
