//! x
use std::time::Instant;
use base::*; use store::*; use store::record::*;
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn measure() {
    let d = tempfile::tempdir().unwrap(); let f = d.path().join("s.db");
    let s = SqliteStore::open(&f).await.unwrap(); let fence = s.acquire("m").await.unwrap();
    let links: Vec<Link> = (0..200_000u32).map(|n| { let mut l = Link::new(RecordId::new(Table::Contact, Guid::from_u128(u128::from(n).wrapping_add(7).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)))); l.marketo_id=Some(1_000_000+i64::from(n)); l.confirmed=vec![(n%251) as u8;240]; l.msi=vec![3;56]; l}).collect();
        let t = Instant::now(); let mut worst=0;
        for (i,c) in links.chunks(1000).enumerate() { let mut b=Batch::new(); for l in c { b.put(l);} let u=Instant::now(); s.commit(fence,b).await.unwrap(); worst=worst.max(u.elapsed().as_millis()); if i%50==49 {println!("{i} {:?}", u.elapsed())} }
        let e=t.elapsed().as_secs_f64();
        println!("insert: {:.0} rows/s, worst commit {worst} ms, db {} KB wal {} KB", 200_000.0/e, std::fs::metadata(&f).unwrap().len()/1024, std::fs::metadata(d.path().join("s.db-wal")).unwrap().len()/1024);
    let st=std::fs::read_to_string("/proc/self/status").unwrap(); println!("{}", st.lines().find(|l|l.starts_with("VmHWM")).unwrap());
}
