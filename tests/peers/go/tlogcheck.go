// Program tlogcheck verifies an exported log with golang.org/x/mod alone.
//
// Usage: tlogcheck DIR VKEY [OLD_NOTE]
//
// It opens the checkpoint with the key, builds the tree again from every entry and compares its root
// and every tile. Then it proves and checks the first, middle and last entry through the tiles as
// they stand in the directory and, given older notes, that the log only grew. The tree is built
// again because a reader of tiles cannot be asked which of them it has compared with the root.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// directory reads tiles of an exported log; x/mod puts the height into paths, C2SP does not.
type directory string

func (d directory) path(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), "tile/8/")
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(string(d), "tile", filepath.FromSlash(path))
}

func (d directory) Height() int                         { return height }
func (d directory) SaveTiles(_ []tlog.Tile, _ [][]byte) {}

func (d directory) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(d.path(tile))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (d directory) entries(number, width int64) ([][]byte, error) {
	data, err := os.ReadFile(d.path(tlog.Tile{H: height, L: -1, N: number, W: int(width)}))
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for len(data) >= 2 {
		end := 2 + int(binary.BigEndian.Uint16(data))
		if end > len(data) {
			break
		}
		all = append(all, data[2:end])
		data = data[end:]
	}
	if len(data) > 0 || int64(len(all)) != width {
		return nil, fmt.Errorf("bundle %d does not hold %d entries", number, width)
	}
	return all, nil
}

func openTree(data []byte, vkey string) (tree tlog.Tree, err error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tree, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	if _, err := fmt.Sscanf(lines[1], "%d", &tree.N); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

// stored keeps the hashes of a tree in memory, at the indexes x/mod gives them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(s)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		hashes[i] = s[index]
	}
	return hashes, nil
}

// tilesOf lists the tiles of a tree, each in its widest form; NewTiles of some versions of x/mod
// lists every narrower form as well.
func tilesOf(size int64) []tlog.Tile {
	var tiles []tlog.Tile
	for level := 0; size>>(height*level) > 0; level++ {
		for left, n := size>>(height*level), int64(0); left > 0; left, n = left-1<<height, n+1 {
			width := 1 << height
			if left < 1<<height {
				width = int(left)
			}
			tiles = append(tiles, tlog.Tile{H: height, L: level, N: n, W: width})
		}
	}
	return tiles
}

func checkEntries(d directory, tree tlog.Tree) error {
	var hashes stored
	for first := int64(0); first < tree.N; first += 1 << height {
		width := tree.N - first
		if width > 1<<height {
			width = 1 << height
		}
		entries, err := d.entries(first>>height, width)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			more, err := tlog.StoredHashes(first+int64(i), entry, hashes)
			if err != nil {
				return err
			}
			hashes = append(hashes, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, hashes)
	if err != nil {
		return err
	}
	for _, tile := range tilesOf(tree.N) {
		data, err := d.ReadTiles([]tlog.Tile{tile})
		if err != nil {
			return err
		}
		expected, err := tlog.ReadTileData(tile, hashes)
		if err != nil {
			return err
		}
		if !bytes.Equal(data[0], expected) {
			return fmt.Errorf("%s and the entries differ", tile.Path())
		}
	}
	if root != tree.Hash {
		return fmt.Errorf("the entries lead to another root")
	}
	return nil
}

func checkProofs(tree tlog.Tree, reader tlog.HashReader) error {
	for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		if err != nil {
			return err
		}
		leaf, err := reader.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf[0]); err != nil {
			return err
		}
	}
	return nil
}

func checkGrowth(old, tree tlog.Tree, reader tlog.HashReader) error {
	proof, err := tlog.ProveTree(tree.N, old.N, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

func run(dir, vkey string, olderNotes []string) error {
	d := directory(dir)
	data, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := openTree(data, vkey)
	if err != nil {
		return err
	}
	if err := checkEntries(d, tree); err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, d)
	if err := checkProofs(tree, reader); err != nil {
		return err
	}
	for _, path := range olderNotes {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		old, err := openTree(data, vkey)
		if err != nil {
			return err
		}
		if err := checkGrowth(old, tree, reader); err != nil {
			return err
		}
	}
	fmt.Printf("verified %d entries\n", tree.N)
	return nil
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: tlogcheck DIR VKEY [OLD_NOTE]")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(3)
	}
}
