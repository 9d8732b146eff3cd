using System.Globalization;
using System.Text.Json;
using Hearth.Ember.Data;
using Hearth.Ember.Evaluation;
using Hearth.Ember.Gguf;
using Hearth.Ember.Model;
using Hearth.Ember.Tokenizer;
using Hearth.Ember.Training;

// Verbs of the trainer; scripts/ember/train calls them in this order.
const int Vocabulary = 2048, TokenizerDialogues = 8000, Seed = 1;

var Plain = new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

string Option(string name, string fallback)
{
    int i = Array.IndexOf(args, "--" + name);
    return i >= 0 ? args[i + 1] : fallback;
}

string work = Option("work", "work");
string tokenizerPath = Path.Combine(work, "merges.json"), checkpointPath = Path.Combine(work, "ember.checkpoint");
string Text(long i) => string.Concat(ChatTemplate.Render(Dialogues.Training(Seed, i)).Select(s => s.Text));

string casesPath = Option("cases", "ember-heldout.json");
IReadOnlyList<HeldOutCase> Cases() => HeldOutSet.FromJson(File.ReadAllText(casesPath));

switch (args.Length > 0 ? args[0] : "")
{
    case "tokenizer":
        Directory.CreateDirectory(work);
        BpeTrainer.Train(Enumerable.Range(0, TokenizerDialogues).Select(i => Text(i)), Vocabulary).Save(tokenizerPath);
        return 0;
    case "show":
        for (int i = 0; i < int.Parse(Option("count", "20")); i++) Console.WriteLine(Text(i + long.Parse(Option("from", "0"))));
        return 0;
    case "render":
        for (int i = 0; i < int.Parse(Option("count", "20")); i++)
        {
            var item = HeldOutSet.ToJson([new HeldOutCase("", "", Dialogues.Training(Seed, i), [], [])])[0]!;
            item["text"] = Text(i);
            if (File.Exists(tokenizerPath)) item["ids"] = JsonSerializer.SerializeToNode(BpeTokenizer.Load(tokenizerPath).Encode(Text(i)));
            Console.WriteLine(item.ToJsonString());
        }
        return 0;
    case "train":
        new Trainer(BpeTokenizer.Load(tokenizerPath), new(checkpointPath, 60 * double.Parse(Option("minutes", "75"), CultureInfo.InvariantCulture), double.Parse(Option("peak", "1"), CultureInfo.InvariantCulture), Seed, int.Parse(Option("threads", "2")))).Run();
        return 0;
    case "heldout":
        var kept = Cases().Where(c => c.Category != "other tool").Concat(HeldOutSet.OtherTools()).OrderBy(c => c.Category, StringComparer.Ordinal).ThenBy(c => c.Id, StringComparer.Ordinal);
        File.WriteAllText(casesPath, HeldOutSet.ToJson(kept).ToJsonString(Plain) + "\n");
        return 0;
    case "check":
        var unspeakable = HeldOutSet.Unspeakable(Cases());
        Console.WriteLine($"{unspeakable.Count} expected calls that constraints forbid: {string.Join("; ", unspeakable)}");
        return unspeakable.Count == 0 & Disjoint.Check(Cases(), Seed, long.Parse(Option("first", "0")), long.Parse(Option("dialogues", "40000"))) ? 0 : 1;
    case "import":
        Directory.CreateDirectory(work);
        var file = new GgufReader(Option("file", "ember.gguf"));
        new BpeTokenizer([.. ((object[])file.Metadata["tokenizer.ggml.merges"]).Cast<string>()]).Save(tokenizerPath);
        var fresh = Option("fresh", "").Split(',', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToHashSet();
        var shape = Importing.Shape(file);
        var model = new EmberModel(shape with { Layers = shape.Layers + fresh.Count }, Seed, trainable: false);
        Importing.Load(file, model, fresh);
        Checkpoint.Save(checkpointPath, model, optimizer: null, new(long.Parse(Option("pool", "0")), 0, 0, 0));
        return 0;
    case "export":
        // --mean A=0.6,B=0.4: the weighted mean of checkpoints instead of the latest one
        var parts = Option("mean", $"{checkpointPath}=1").Split(',').Select(p => p.Split('=')).Select(p => (p[0], double.Parse(p[1], CultureInfo.InvariantCulture))).ToList();
        EmberFile.Save(Option("output", "ember.gguf"), Exporting.Average(parts), BpeTokenizer.Load(tokenizerPath));
        return 0;
    case "evaluate":
        if (args.Contains("--constrained") && args.Contains("--url"))
        {
            Console.Error.WriteLine("[--constrained] a service constrains calls by itself; with --url there is nothing to switch on");
            return 2;
        }
        IResponder responder = Option("url", "") is { Length: > 0 } url
            ? new ServiceResponder(new Uri(url.TrimEnd('/') + "/"), Option("model", "ember"))
            : new FileResponder(Option("file", "ember.gguf"), args.Contains("--constrained"));
        return await Evaluator.RunAsync(responder, [.. Cases().Where((_, i) => i % int.Parse(Option("every", "1")) == 0)], args.Contains("--verbose")) >= double.Parse(Option("require", "0"), CultureInfo.InvariantCulture) ? 0 : 1;
    case "chat":
        await Chat.RunAsync(new FileResponder(Option("file", "ember.gguf"), isConstrained: false));
        return 0;
    default:
        Console.Error.WriteLine("usage: ember-trainer tokenizer|show|render|train|import|export|heldout|check|evaluate|chat [--work DIR] [--from N] [--count N] [--fresh LAYERS] [--pool N] [--minutes N] [--peak SHARE] [--threads N] [--output FILE] [--mean CHECKPOINT=SHARE,...] [--file FILE] [--cases FILE] [--first N] [--dialogues N] [--url URL] [--every N] [--require SHARE] [--verbose] [--constrained]");
        return 2;
}
