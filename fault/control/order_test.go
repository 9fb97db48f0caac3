package control_test

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stasis/fault"
	"stasis/fault/control"
	"stasis/internal/bubbles"
)

// A field that an order does not have is an error, wherever it is, and nothing is done: "afer" is no limit that was meant.
func TestUnknownFieldsAreRefused(t *testing.T) {
	p := newProcess()
	there, end := wired(t, p)
	defer end()
	answers := bufio.NewReader(there)
	for field, raw := range map[string]string{
		"jiter":  `{"id":7,"do":"net cut","from":"a","to":"b","jiter":5}`,
		"afer":   `{"id":7,"do":"disk hang","calls":{"kinds":["sync"],"afer":3}}`,
		"Timess": `{"id":7,"do":"net message","message":{"Do":"delay","By":1,"Timess":1}}`,
		"Serve":  `{"id":7,"do":"hold","moment":{"Step":"cut","Serve":"x"}}`,
		"more":   `{"id":7,"do":"net cut","from":"a","to":"b"} {"id":8}`,
	} {
		_, err := there.Write([]byte(raw + "\n"))
		require.NoError(t, err)
		got, err := answers.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, got, field)
		require.Contains(t, got, `"code":"bad order"`)
		require.Contains(t, got, `"id":7`, "the controller is told which request it is")
	}
	require.Empty(t, order(t, local(t, p), control.Order{Do: control.RuleList}).Rules, "nothing was done")
}

// Orders have bounds, and so has the number of rules: a list of all of them has to reach a controller.
func TestOrdersHaveBounds(t *testing.T) {
	c := local(t, newProcess())
	long := strings.Repeat("x", 2000)
	for _, o := range []control.Order{
		{Do: control.NetCut, From: long, To: "b"}, {Do: control.NetDelay, From: "a", To: "b", By: 1 << 62}, {Do: control.DiskHang, Server: long},
		{Do: control.DiskHang, Calls: &control.Calls{Path: long}}, {Do: control.Hold, Moment: &fault.Moment{Step: "cut", Label: long}},
		{Do: control.NetMessage, Message: &fault.Message{Do: fault.LoseAnswer, Path: long}},
		{Do: control.NetCut, From: strings.Repeat("x", control.MostRequest), To: "b"},
	} {
		require.Contains(t, refused(t, c, control.BadOrder, o), "want")
	}
	for i := range control.MostRules {
		order(t, c, control.Order{Do: control.NetCut, From: "a", To: fmt.Sprint(i)})
	}
	require.Contains(t, refused(t, c, control.CannotDo, control.Order{Do: control.NetCut, From: "a", To: "one more"}), "heal some first")
	require.Len(t, order(t, c, control.Order{Do: control.RuleList}).Rules, control.MostRules)
	order(t, c, control.Order{Do: control.NetHealAll})
	order(t, c, control.Order{Do: control.NetCut, From: "a", To: "one more"})
}

// A rule of both directions is one step, and says whose place it has taken.
func TestBothDirectionsAreOneStep(t *testing.T) {
	bubbles.Test(t, func(t *testing.T) {
		c := local(t, newProcess())
		both := control.Order{Do: control.NetDelay, From: "a", To: "b", Both: true, By: time.Second}
		require.Len(t, order(t, c, both).Rules, 2)
		both.From, both.To, both.By = "b", "a", time.Minute
		a := order(t, c, both)
		require.Len(t, a.Replaced, 2)
		require.Equal(t, time.Second, a.Replaced[0].By)
		list := order(t, c, control.Order{Do: control.RuleList}).Rules
		require.Len(t, list, 2)
		for _, r := range list {
			require.Equal(t, time.Minute, r.By)
		}
		both.By = 0
		require.Len(t, order(t, c, both).Replaced, 2)
		require.Empty(t, order(t, c, control.Order{Do: control.RuleList}).Rules)
		require.Contains(t, refused(t, c, control.BadOrder, control.Order{Do: control.NetCut, From: "a", To: "a", Both: true}), "two hosts")
	})
}

// Orders about one link that several controllers send at once leave one rule, which is what the network does.
func TestOrdersAtOnceAboutOneLink(t *testing.T) {
	p := newProcess()
	var sending sync.WaitGroup
	errs := make(chan error, 8)
	for i := range 8 {
		c := local(t, p)
		sending.Go(func() {
			var err error
			for n := range 50 {
				o := control.Order{Do: control.NetDelay, From: "a", To: "b", Both: true, By: time.Duration(1 + i*100 + n)}
				if i%2 == 1 {
					o.From, o.To = "b", "a"
				}
				_, failed := c.Do(t.Context(), o)
				err = errors.Join(err, failed)
			}
			errs <- err
		})
	}
	sending.Wait()
	for range 8 {
		require.NoError(t, <-errs)
	}
	list := order(t, local(t, p), control.Order{Do: control.RuleList}).Rules
	require.Len(t, list, 2)
	require.Equal(t, list[0].By, list[1].By, "both directions are of one order")
	for _, r := range p.net.Rules() {
		require.Equal(t, list[0].By.String(), r.Detail, "the list says what the network does")
	}
}
