//! Accounts.

use super::{Making, Owner, Sink, companies, draw::Kind, names, row::Row};

impl<S: Sink> Making<'_, S> {
    /// An account's owner, who also owns most of its people.
    pub(super) fn account_owner(&self, account: u64) -> Owner {
        self.owner(&mut self.draw.other_dice(Kind::Account, account).fork())
    }

    /// An account's name and mail domain.
    pub(super) fn account_name(&self, account: u64) -> (String, String) {
        companies::company(&mut self.draw.other_dice(Kind::Account, account), account)
    }

    pub(super) fn accounts(&mut self) -> Result<(), String> {
        for account in 0..self.size.accounts {
            let (name, domain) = self.account_name(account);
            let mut dice = self.draw.dice(Kind::Account, account);
            let times = self.draw.times(&mut dice);
            let inactive = self.slot(Kind::Account, account) < 30;
            self.census.accounts += 1;
            self.census.expected.companies += 1;
            self.census.accounts_inactive += u64::from(inactive);
            self.census.accounts_long_name += u64::from(name.encode_utf16().count() == 160);
            let row = Row::default()
                .put("accountid", self.id(Kind::Account, account).to_string())
                .put("name", name)
                .put("accountnumber", format!("AC-{account:06}"))
                .put("telephone1", companies::telephone(&mut dice))
                .put("websiteurl", format!("https://www.{domain}"))
                .put("industrycode", 1 + dice.below(33))
                .put("statecode", u8::from(inactive))
                .put("statuscode", 1 + u8::from(inactive))
                .maybe("numberofemployees", dice.percent(70.0).then(|| 1 + dice.below(20_000)))
                .maybe("sic", dice.percent(40.0).then(|| format!("{:04}", dice.below(9000) + 100)))
                .times(times);
            let row = if dice.percent(60.0) { row.put("revenue", dice.below(1_000_000_000) as f64 / 100.0) } else { row };
            let row = companies::address(&mut dice, row);
            let row = if dice.percent(5.0) { row.put("description", companies::filled(&names::job(&mut dice).0, 2000)) } else { row };
            let row = match dice.percent(10.0).then(|| dice.below(account)) {
                Some(parent) if account > 0 => row.look("parentaccountid", "account", self.id(Kind::Account, parent)),
                _ => row,
            };
            let owner = self.account_owner(account);
            let row = self.owned(row, owner);
            self.sink.dynamics("account", row.0, times.1)?;
        }
        Ok(())
    }
}
