using Hearth.Runtime.Templates;

namespace Hearth.Runtime.Tests.Templates;

/// <summary>A template comes with a model file, so none may crash, hang or fill the memory.</summary>
public sealed class HostileTemplateTests
{
    private static readonly TemplateLimits Small = new()
    {
        MaxSteps = 200_000,
        MaxTextLength = 100_000,
        MaxCollectionLength = 10_000,
    };

    public static TheoryData<string, string, string> Nested => new()
    {
        { "parentheses", "{{ " + Many("(") + "1" + Many(")") + " }}", "RecursionError" },
        { "brackets", "{{ " + Many("[") + Many("]") + " }}", "RecursionError" },
        { "braces", "{{ " + Many("{1: ") + "1" + Many("}") + " }}", "RecursionError" },
        { "not", "{{ " + Many("not ") + "1 }}", "RecursionError" },
        { "minus", "{{ " + Many("- ") + "1 }}", "RecursionError" },
        { "sum", "{{ " + Many("1 + ") + "1 }}", "RecursionError" },
        { "and", "{{ " + Many("1 and ") + "1 }}", "RecursionError" },
        { "power", "{{ " + Many("1 ** ") + "1 }}", "RecursionError" },
        { "filters", "{{ 'a'" + Many("|upper") + " }}", "RecursionError" },
        { "attributes", "{{ a" + Many(".b") + " }}", "RecursionError" },
        { "subscripts", "{{ a" + Many("[0]") + " }}", "RecursionError" },
        { "calls", "{{ a" + Many("()") + " }}", "RecursionError" },
        { "conditions", "{{ " + Many("1 if 1 else ", 50_000) + "1 }}", "RecursionError" },
        { "loops", Many("{% for x in y %}", 20_000), "RecursionError" },
        { "branches", Many("{% if 1 %}"), "RecursionError" },
        { "unclosed", "{{ " + Many("("), "RecursionError" },
        { "source", new string('a', (1 << 20) + 1), "LimitError" },
        { "scopes", string.Concat(Enumerable.Range(0, 15_000).Select(i => $"{{% if 1 %}}{{% set v{i} = 1 %}}{{% endif %}}")), "LimitError" },
    };

    // A tuple that is a pair of one and the same, forty levels deep: small to hold, endless to walk.
    private const string Doubled = "{% set n = namespace(t=(1,)) %}{% for i in range(40) %}{% set n.t = (n.t, n.t) %}{% endfor %}";

    // An integer of 60000 bits.
    private const string Big = "{% set n = namespace(x=(2 ** 60000)) %}";

    public static TheoryData<string, string> Greedy => new()
    {
        { "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "LimitError" },
        { "{% for a in range(1000) %}{{ 'x' * 1000 }}{% endfor %}", "LimitError" },
        { "{% set n = namespace(s='x') %}{% for a in range(100) %}{% set n.s = n.s ~ n.s %}{% endfor %}", "LimitError" },
        { "{% set n = namespace(s='x') %}{% for a in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "LimitError" },
        { "{% set n = namespace(s=[1]) %}{% for a in range(100) %}{% set n.s = n.s + n.s %}{% endfor %}", "LimitError" },
        { "{% set n = namespace(s=[]) %}{% for a in range(1000) %}{% set n.s = n.s + ['a' * 90000] %}{% endfor %}", "LimitError" },
        { "{% set a = 'a' * 50000 %}{{ a|replace('a', a) }}", "LimitError" },
        { "{% set a = 'a' * 50000 %}{{ a.join(a) }}", "LimitError" },
        { "{{ ('a\n' * 5000)|indent(1000) }}", "LimitError" },
        { "{{ ('a ' * 30000).split() }}", "LimitError" },
        { "{{ ('a,' * 30000).split(',') }}", "LimitError" },
        { "{{ ('\n' * 30000).splitlines() }}", "LimitError" },
        { "{{ ('a' * 30000)|list }}", "LimitError" },
        { "{{ 'a'|center(99999999999) }}", "LimitError" },
        { "{{ 'a'.ljust(99999999999999999999) }}", "LimitError" },
        { "{{ '\t'.expandtabs(99999999999) }}", "LimitError" },
        { "{{ '{:999999999}'.format(1) }}", "LimitError" },
        { "{{ '%999999999d' % 1 }}", "LimitError" },
        { "{{ '%.999999999f' % 1.5 }}", "ValueError" },
        { "{{ '{:.999999999f}'.format(1.5) }}", "ValueError" },
        { "{{ [1]|batch(999999999, 'x')|list }}", "LimitError" },
        { "{{ [1]|slice(9999999999)|list }}", "LimitError" },
        { "{{ [1, 2, 3]|tojson(indent=999999999) }}", "LimitError" },
        { "{{ range(100001) }}", "OverflowError" },
        { "{{ 10 ** 100000000 }}", "OverflowError" },
        { "{% set n = namespace(s=7) %}{% for a in range(100) %}{% set n.s = n.s * n.s %}{% endfor %}", "OverflowError" },
        { "{{ 10 ** 5000 }}", "ValueError" },
        { "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError" },
        { "{% macro m() %}{{ caller }}{% call m() %}{% endcall %}{% endmacro %}{{ m() }}", "RecursionError" },
        { "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "RecursionError" },
        { "{% block b %}{{ self.b() }}{% endblock %}", "RecursionError" },
        { Doubled + "{{ {n.t: 1} }}", "LimitError" },
        { Doubled + "{{ {}.get(n.t) }}", "LimitError" },
        { Doubled + "{{ n.t in {} }}", "LimitError" },
        { Doubled + "{{ [n.t, n.t]|unique|list }}", "LimitError" },
        { Doubled + "{{ {}.fromkeys([n.t]) }}", "LimitError" },
        { Doubled + "{{ dict([(n.t, 1)]) }}", "LimitError" },
        { Doubled + "{{ n.t is filter }}", "LimitError" },
        { Doubled + "{{ {1: 2}[n.t] }}", "LimitError" },
        { Big + "{% for i in range(2000) %}{% set y = n.x * n.x %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(2000) %}{% set y = n.x // (n.x - 1) %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(2000) %}{% set y = n.x / (n.x - 1) %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = n.x == n.x + 1 %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = -n.x %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = n.x|abs %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = {n.x: 1} %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = n.x in range(10) %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = '%x' % n.x %}{% endfor %}", "LimitError" },
        { Big + "{% for i in range(9000) %}{% set y = '{:b}'.format(n.x) %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = 3 ** 20000 %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = (10 ** 4299) ~ '' %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = ('7' * 4300)|int %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = ('f' * 4300)|int(0, 16) %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = '%.4300f' % 1.5 %}{% endfor %}", "LimitError" },
        { "{% for i in range(9000) %}{% set y = (10 ** 4299)|round(-4000) %}{% endfor %}", "LimitError" },
        { "{% set a = {}.fromkeys(range(1000)) %}{% set b = {}.fromkeys(range(1000)) %}{% for i in range(1000) %}{% set y = a.keys() == b.keys() %}{% endfor %}", "LimitError" },
        { "{% set a = range(9000)|list %}{% for i in range(9000) %}{{ a == range(9000)|list }}{% endfor %}", "LimitError" },
    };

    /// <summary>Each pass costs by what it touches: so few of them that they would pass if each counted as a step.</summary>
    public static TheoryData<string> Costly => new(
        Passes(400, "{% set y = 2.5e300|round(300) %}"),
        Passes(400, "{% set y = '%f' % 1e300 %}"),
        Passes(100, "{% set y = '%.2000e' % 1e-308 %}"),
        Passes(100, "{% set y = '{:.2000f}'.format(1e-308) %}"),
        Passes(20, "{% set y = '%*d' % (90000, 1) %}"),
        Passes(20, "{% set y = '{:090000,}'.format(1) %}"),
        Passes(20, "{% set y = a|replace('a', 'b') %}"),
        Passes(20, "{% set y = a.replace('', 'b', 1) %}"),
        Passes(20, "{% set y = a.expandtabs() %}"),
        Passes(20, "{% set y = a|upper %}"),
        Passes(3, "{% set y = a.isalpha() %}"),
        Passes(3, "{% set y = a|title %}"),
        Passes(3, "{% set y = 'b'.strip(a) %}"),
        Passes(20, "{% set y = ('<' * 20000)|e %}"),
        Passes(20, "{% set y = a.split() %}"),
        Passes(20, "{% set y = ('%' ~ '0' * 90000 ~ 'd') % 1 %}"),
        Passes(20, "{% set y = ('%(' ~ a ~ ')s') % {a: 1} %}"),
        Passes(20, "{% set y = ('{{' * 45000).format() %}"),
        Passes(20, "{% set y = ('{0' ~ '[0]' * 9000 ~ '}').format('a') %}"),
        Passes(20, "{% set y = range(9000)|join %}"),
        Passes(60, "{% set y = [1] * 9000 %}"));

    /// <summary>Walks over values nested thousands of levels deep: every one has to give up in time.</summary>
    public static TheoryData<string> Walks => new(
        "{{ n.s }}", "{{ n.s|tojson }}", "{{ n.s|pprint }}", "{{ n.s == n.t }}", "{{ n.s < n.t }}", "{{ {n.u: 1} }}", "{{ n.s in [n.t] }}");

    [Theory]
    [MemberData(nameof(Nested))]
    public void Nesting_without_end_is_refused_while_parsing(string what, string template, string kind)
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(template));
        Assert.True(kind == error.Kind, $"{what}: {error.Message}");
    }

    [Theory]
    [MemberData(nameof(Greedy))]
    public void Greed_ends_at_a_limit(string template, string kind)
    {
        var parsed = ChatTemplate.Parse(template);
        var error = Assert.Throws<TemplateException>(() => parsed.Render(new Dictionary<string, object?>(), limits: Small));
        Assert.Equal(kind, error.Kind);
    }

    [Theory]
    [MemberData(nameof(Costly))]
    public void What_is_touched_counts_not_how_often(string template)
    {
        var parsed = ChatTemplate.Parse(template);
        Assert.Equal("LimitError", Assert.Throws<TemplateException>(() => parsed.Render(new Dictionary<string, object?>(), limits: Small)).Kind);
    }

    [Theory]
    [InlineData("'{:010,}'.format(1e999)", "0000000inf")]
    [InlineData("'{:015,.2f}'.format(1234.5)", "0,000,001,234.50")]
    [InlineData("'{:012_b}'.format(5)", "00_0000_0101")]
    [InlineData("'{:08,}'.format(-1234)", "-001,234")]
    [InlineData("'{:05,}|{:06,}|{:07,}|{:08,}|{:09,}|{:010,}'.format(1234, 1234, 1234, 1234, 1234, 1234)", "1,234|01,234|001,234|0,001,234|0,001,234|00,001,234")]
    public void Zeros_that_fill_a_width_are_grouped_as_by_Python(string expression, string text)
        => Assert.Equal(text, ChatTemplate.Parse($"{{{{ {expression} }}}}").Render(new Dictionary<string, object?>()));

    [Theory]
    [InlineData("range(0, 4294967297 * 9000, 4294967297)")]
    [InlineData("range(1, 9000)|map('float')")]
    public void Keys_that_would_collide_by_folding_do_not(string keys)
    {
        var template = ChatTemplate.Parse($"{{{{ {{}}.fromkeys({keys})|length }}}}");
        Assert.Matches("^(9000|8999)$", template.Render(new Dictionary<string, object?>(), limits: Small));
    }

    [Fact]
    public void Integers_of_any_base_are_spelled_as_before()
    {
        var template = ChatTemplate.Parse("{{ '%x %o' % (2 ** 70 + 11, 2 ** 65 + 8) }} {{ '{:b}'.format(2 ** 66 + 5) }} {{ '{:x}'.format(0) }}");
        Assert.Equal("40000000000000000b 4000000000000000000010 " + "1" + new string('0', 63) + "101 0", template.Render(new Dictionary<string, object?>()));
    }

    [Theory]
    [MemberData(nameof(Walks))]
    public void Walking_a_value_of_great_depth_is_refused(string walk)
    {
        var template = ChatTemplate.Parse(
            "{% set n = namespace(s=[1], t=[1], u=(1,)) %}{% for i in range(5000) %}"
            + "{% set n.s = [n.s] %}{% set n.t = [n.t] %}{% set n.u = (n.u,) %}{% endfor %}" + walk);
        var error = Assert.Throws<TemplateException>(() => template.Render(new Dictionary<string, object?>()));
        Assert.Equal("RecursionError", error.Kind);
    }

    [Fact]
    public void Reading_iterators_wrapped_without_end_is_refused()
    {
        var template = ChatTemplate.Parse(
            "{% set n = namespace(v=[1]) %}{% for i in range(100000) %}{% set n.v = n.v|map('string') %}{% endfor %}{{ n.v|list }}");
        var error = Assert.Throws<TemplateException>(() => template.Render(new Dictionary<string, object?>()));
        Assert.Equal("RecursionError", error.Kind);
    }

    [Fact]
    public void Long_flat_templates_are_no_offence()
    {
        var template = ChatTemplate.Parse("{{ " + Many("1 ~ ", 20_000) + "1 }}{% if 0 %}" + Many("{% elif 0 %}", 5_000) + "{% endif %}");
        Assert.Equal(20_001, template.Render(new Dictionary<string, object?>()).Length);
    }

    [Fact]
    public void A_caller_that_gives_up_stops_the_rendering()
    {
        var template = ChatTemplate.Parse("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => template.Render(new Dictionary<string, object?>(), cancellation: source.Token));
    }

    [Fact]
    public void Mutilated_templates_fail_with_typed_errors_only()
    {
        const string Source = "{%- for m in messages if m.role != 'x' %}{{ '<|' ~ m['role'] ~ '|>' + m.content|trim }}{% if loop.last %}"
            + "{{ m.tools|tojson(indent=2) }}{% elif m.n is number and not m.n % 2 %}{# c #}{% raw %}{{ }}{% endraw %}{% endif %}{%- endfor %}"
            + "{% macro f(a, b=[1, 2.5e3], *c) %}{% endmacro %}{% set ns = namespace(x={'a': 1}) %}{% set ns.x = ns.x.a // 2 ** 3 %}";
        var random = new Random(7);
        var variables = new Dictionary<string, object?>
        {
            ["messages"] = new[] { new Dictionary<string, object?> { ["role"] = "user", ["content"] = " hi ", ["n"] = 4 } },
        };
        var rendered = 0;
        for (var i = 0; i < 3000; i++)
        {
            var at = random.Next(Source.Length);
            var mutilated = (i % 3) switch
            {
                0 => Source.Remove(at, Math.Min(random.Next(1, 5), Source.Length - at)),
                1 => Source.Insert(at, "{}%#()[]'\"|.,~-+\\\0"[random.Next(18)].ToString()),
                _ => Source[..at],
            };
            try
            {
                ChatTemplate.Parse(mutilated).Render(variables, limits: Small);
                rendered++;
            }
            catch (TemplateException e)
            {
                Assert.NotEmpty(e.Kind);
            }
        }

        Assert.InRange(rendered, 1, 2999);
    }

    private static string Passes(int count, string body) => $"{{% set a = 'a' * 90000 %}}{{% for i in range({count}) %}}{body}{{% endfor %}}";

    private static string Many(string text, int count = 100_000) => string.Concat(Enumerable.Repeat(text, count));
}
