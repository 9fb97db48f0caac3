package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"stasis/client"
	"stasis/lab/history"
)

// bank: clients move money between accounts.
type bank struct{}

const (
	initialBalance = 1000
	mostAmount     = 20
)

// account is the document of an account. Amount is what the last write gave it, or took from it if it is negative.
type account struct {
	version
	Balance int `json:"balance"`
	Amount  int `json:"amount"`
}

func (bank) knows() Spec {
	return common(Spec{Accounts: 8, Skew: knowsSkew})
}

func accountKey(i int) string { return fmt.Sprintf("account-%d", i) }

// open opens the accounts that are not open yet: an attempt before may have ended unknown.
func (bank) open(ctx context.Context, s *session) error {
	for i := range s.spec.Accounts {
		_, err := s.change(ctx, "open", accountKey(i), func(seen document) (map[string]any, bool, error) {
			return map[string]any{"balance": initialBalance, "amount": 0}, seen.N == 0, nil
		})
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (bank) live(ctx context.Context, s *session) error {
	pick := s.picker(s.spec.Accounts)
	for s.rest(ctx); ctx.Err() == nil; s.rest(ctx) {
		from, to, amount := pick(), s.random.IntN(s.spec.Accounts-1), 1+s.random.IntN(mostAmount)
		if to >= from {
			to++
		}
		taken, err := s.move(ctx, "take", from, -amount)
		if err != nil {
			return err
		}
		if !taken {
			continue // the account is empty, or ctx has ended
		}
		if given, err := s.giveBack(ctx, to, amount); err != nil || !given {
			return err
		}
	}
	return nil
}

// giveBack gives what was taken. The end of ctx does not keep it from that within grace: otherwise money would be
// lost from sight whenever a load ends.
func (s *session) giveBack(ctx context.Context, to, amount int) (bool, error) {
	long, cancel := graceful(ctx, s.grace)
	defer cancel()
	given, err := s.move(long, "give", to, amount)
	return given, err
}

// move changes the balance of an account, unless it would be below zero.
func (s *session) move(ctx context.Context, kind string, i, amount int) (bool, error) {
	return s.change(ctx, kind, accountKey(i), func(seen document) (map[string]any, bool, error) {
		var a account
		if seen.N == 0 {
			return nil, false, fmt.Errorf("account %d is gone", i)
		}
		err := json.Unmarshal(seen.raw, &a)
		return map[string]any{"balance": a.Balance + amount, "amount": amount}, a.Balance+amount >= 0, err
	})
}

func (bank) read(ctx context.Context, c *client.Client, collection string) (State, error) {
	return Read(ctx, c.Database(""), collection)
}

func (bank) judge(g generation, found State, cut Cut) (Findings, error) {
	all, j, err := judgeCells(g, found, cut)
	if err != nil {
		return Findings{}, err
	}
	if err := total(g, all, found, j); err != nil {
		return Findings{}, err
	}
	return j.done(), nil
}

// total compares the sum of all balances with what clients have on their way: of each process at most one amount,
// which it has taken and not given yet.
func total(g generation, all map[string]*cell, found State, j *judgement) error {
	sum, want := 0, 0
	for _, doc := range found {
		var a account
		if err := json.Unmarshal(doc, &a); err != nil {
			return err
		}
		sum += a.Balance
	}
	for _, doc := range g.base {
		var a account
		if err := json.Unmarshal(doc, &a); err != nil {
			return err
		}
		want += a.Balance
	}
	onTheWay, late := map[int]int{}, map[int]bool{}
	for _, c := range all {
		for _, l := range c.links {
			var a account
			if err := json.Unmarshal(l.doc, &a); err != nil {
				return err
			}
			switch {
			case !c.has(l) || l.N <= c.base.N: // the balances that it began with have these
			case l.op.Kind == "open":
				want += a.Balance
			default:
				onTheWay[l.op.Process] -= a.Amount
				late[l.op.Process] = late[l.op.Process] || l.op.BeginOrder < g.at.Order // what it gives was taken before the restore
			}
		}
	}
	for _, process := range slices.Sorted(maps.Keys(onTheWay)) {
		amount := onTheWay[process]
		if !late[process] && (amount < 0 || amount > mostAmount) {
			j.problem("process %d has taken %d and not given it: want 0 to %d on its way", process, amount, mostAmount)
		}
		want -= amount
	}
	if sum != want {
		j.problem("the total of all accounts is %d: want %d, with what clients have on their way", sum, want)
	}
	return nil
}

func (bank) translate() (string, history.Translate) { return registerModel() }
