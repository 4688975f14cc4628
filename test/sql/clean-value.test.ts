import { expect } from 'chai';
import { useDatabase } from '../support/database.js';

describe('the functions of values', () => {
  const database = useDatabase('empty');

  /** The results of a function of one argument, as text, for many arguments at once. */
  async function results(name: string, type: string, values: readonly string[]): Promise<(string | null)[]> {
    const { rows } = await database().client.query<{ result: string | null }>(
      `select bankpulse.${name}(value::${type})::text as result
       from unnest($1::text[]) with ordinality as listed (value, place) order by place`,
      [values],
    );
    return rows.map((row) => row.result);
  }

  /** Each argument with its expected result. */
  async function expectAll(
    name: string,
    cases: readonly (readonly [string, string | null])[],
    type = 'text',
  ): Promise<void> {
    const got = await results(
      name,
      type,
      cases.map(([value]) => value),
    );
    expect(cases.map(([value], place) => [value.slice(0, 60), got[place]])).to.deep.equal(
      cases.map(([value, result]) => [value.slice(0, 60), result]),
    );
  }

  describe('clean_value', () => {
    it('takes surrounding ASCII white space off, all six kinds, and nothing else', () =>
      expectAll('clean_value', [
        ['name', 'name'],
        [' \t\n\v\f\rname \t\n\v\f\r', 'name'],
        ['first last', 'first last'],
        ['\u00a0name\u2003', '\u00a0name\u2003'],
        ['\u0085name\u001f', '\u0085name\u001f'],
        [' ', ''],
        ['', ''],
      ]));

    it('leaves every printable character at the edges alone, but a pair of quotes', () =>
      expectAll(
        'clean_value',
        Array.from({ length: 0x7f - 0x21 }, (_, place) => String.fromCharCode(0x21 + place))
          .filter((character) => character !== "'")
          .map((character) => [`${character}x${character}`, `${character}x${character}`] as const),
      ));

    it('takes one pair of single quotes off, and nothing after that', () =>
      expectAll('clean_value', [
        ["'C1093826151'", 'C1093826151'],
        [" 'name' ", 'name'],
        ["' name '", ' name '],
        ["''name''", "'name'"],
        ["''", ''],
        ["''''", "''"],
        ["'", "'"],
        ["'name", "'name"],
        ["name'", "name'"],
        ["O'Brien", "O'Brien"],
        ["'O'Brien'", "O'Brien"],
        ["'é'", 'é'],
        ['"name"', '"name"'],
      ]));
  });

  describe('parse_amount', () => {
    const digits = (count: number) => '9'.repeat(count);

    it('takes signs, fractions and exponents', () =>
      expectAll('parse_amount', [
        ['5', '5'],
        ['0', '0'],
        ['-0', '0'],
        ['+5', '5'],
        ['-5.50', '-5.50'],
        ['.5', '0.5'],
        ['+.5e-3', '0.0005'],
        ['1e3', '1000'],
        ['1E5', '100000'],
        ['-2.50E+1', '-25.0'],
        ['1E-15', '0.000000000000001'],
        ['1e+03', '1000'],
        ['1.5e-1', '0.15'],
        ['007', '7'],
      ]));

    it('refuses whatever else PostgreSQL, JavaScript or a spreadsheet would take', () =>
      expectAll(
        'parse_amount',
        [
          ...[
            '',
            ' ',
            ' 5 ',
            "' 5 '",
            '5 ',
            '\n5',
            '5\n',
            '5.',
            '.',
            '+',
            '-',
            '--5',
            '+-5',
            '.e1',
            'e5',
            '1e',
          ],
          ...[
            '1e+',
            '1E',
            '1E005',
            '1EE5',
            'E5',
            '1E100',
            '1e400',
            '1e100',
            '1e-100',
            '1e5.0',
            '1.5.5',
            '1,5',
            '1,000',
            '1_000',
            '0x10',
            '0b1',
            '0o7',
          ],
          ...[
            'NaN',
            'nan',
            'Infinity',
            '-Infinity',
            'inf',
            '١٢',
            '５',
            '1٫5',
            '−5',
            '$5',
            '5€',
            '(5)',
            '1 000',
          ],
        ].map((value) => [value, null] as const),
      ));

    it('takes at most 30 digits before the point, as written out', () =>
      expectAll('parse_amount', [
        [digits(30), digits(30)],
        [`-${digits(30)}`, `-${digits(30)}`],
        [digits(31), null],
        [`1${'0'.repeat(30)}`, null],
        ['1e29', `1${'0'.repeat(29)}`],
        ['1e30', null],
        ['1e99', null],
        [`${digits(29)}.9e1`, digits(30)],
        [`${digits(30)}e1`, null],
      ]));

    it('takes at most 15 digits behind the point, as written out', () =>
      expectAll('parse_amount', [
        [`0.${digits(15)}`, `0.${digits(15)}`],
        [`0.${digits(16)}`, null],
        [`1.${'0'.repeat(16)}`, null],
        ['1e-15', '0.000000000000001'],
        ['1e-16', null],
        ['1e-99', null],
        [`0.${digits(16)}e1`, `9.${digits(15)}`],
        [`${digits(30)}.${digits(15)}`, `${digits(30)}.${digits(15)}`],
        [`${digits(15)}e-15`, `0.${digits(15)}`],
      ]));

    it('refuses a value of any length without an error', () =>
      expectAll('parse_amount', [
        [digits(100_000), null],
        [`0.${digits(100_000)}`, null],
        [`-${'.'.repeat(100_000)}`, null],
        [`1e${digits(100_000)}`, null],
        ['x'.repeat(100_000), null],
      ]));
  });

  describe('object_number', () => {
    it('is the last run of digits in the base name', () =>
      expectAll('object_number', [
        ['in/chunk-00000007.csv', '7'],
        ['chunk_7.csv', '7'],
        ['chunk_7.csv.gz', '7'],
        ['2026/11/chunk-10.csv', '10'],
        ['a1b22c333d.csv', '333'],
        ['0.csv', '0'],
        ['chunk-1-of-9.csv', '9'],
        ['12/chunk\n34.csv', '34'],
        ['1\n/chunk.csv', null],
        [`${'0'.repeat(17)}5.csv`, '5'],
        [`${'9'.repeat(18)}.csv`, '9'.repeat(18)],
      ]));

    it('is null where there is none, or one of more than 18 digits', () =>
      expectAll('object_number', [
        ['chunk.csv', null],
        ['2026/chunk.csv', null],
        ['7/', null],
        ['', null],
        ['chunk-٧.csv', null],
        [`1-${'9'.repeat(19)}.csv`, null],
        [`${'0'.repeat(18)}5.csv`, null],
      ]));
  });

  describe('exact_average', () => {
    async function averages(cases: readonly (readonly [string, number, string])[]): Promise<void> {
      const { rows } = await database().client.query<{ average: string }>(
        `select bankpulse.exact_average(total, count)::text as average
         from unnest($1::numeric[], $2::bigint[]) with ordinality as listed (total, count, place) order by place`,
        [cases.map(([total]) => total), cases.map(([, count]) => count)],
      );
      expect(rows.map((row, place) => [...cases[place]!.slice(0, 2), row.average])).to.deep.equal(cases);
    }

    it('rounds half away from zero, to 10 decimals', () =>
      averages([
        ['3', 2, '1.5000000000'],
        ['0', 7, '0.0000000000'],
        ['1', 3, '0.3333333333'],
        ['2', 3, '0.6666666667'],
        ['-1', 3, '-0.3333333333'],
        ['-2', 3, '-0.6666666667'],
        ['0.00000000005', 1, '0.0000000001'],
        ['-0.00000000005', 1, '-0.0000000001'],
        ['0.000000000049999', 1, '0.0000000000'],
        ['-0.000000000049999', 1, '0.0000000000'],
        ['0.00000000015', 1, '0.0000000002'],
      ]));

    it('rounds once, where round(total / count, 10) rounds twice or has too few digits', async () => {
      const cases = [
        ['370350.000000001499999', 30, '12345.0000000000'],
        ['-370350.000000001499999', 30, '-12345.0000000000'],
        ['100000000000000000000', 3, '33333333333333333333.3333333333'],
      ] as const;
      await averages(cases);
      for (const [total, count, average] of cases) {
        const { rows } = await database().client.query<{ naive: string }>(
          'select round($1::numeric / $2::bigint, 10)::text as naive',
          [total, count],
        );
        expect(rows[0]!.naive).not.to.equal(average);
      }
    });
  });

  it('share_below is the percent_rank to 6 decimals, 0 for one customer', async () => {
    const { rows } = await database().client.query(
      `select array[
         bankpulse.share_below(0, 1), bankpulse.share_below(0, 11), bankpulse.share_below(9, 11),
         bankpulse.share_below(2, 4), bankpulse.share_below(10, 11)
       ]::text[] as shares`,
    );
    expect(rows).to.deep.equal([{ shares: ['0.000000', '0.000000', '0.900000', '0.666667', '1.000000'] }]);
  });
});
