using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Hearth.Runtime.Conversion;
using Hearth.Runtime.Gguf;
using Hearth.Runtime.Tests.Models;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Conversion;

/// <summary>Heads for masked words of Hugging Face folders, converted and compared with double precision.</summary>
public sealed class MaskHeadConversionTests
{
    private static readonly int[] _tokens = [2, 109, 4, 110, 33, 4, 3];
    private static readonly int[] _masks = [2, 5];

    private static readonly (string Pattern, string Name)[] _distil =
    [
        (@"token_embd\.weight", "distilbert.embeddings.word_embeddings.weight"),
        (@"position_embd\.weight", "distilbert.embeddings.position_embeddings.weight"),
        (@"token_embd_norm\.(\w+)", "distilbert.embeddings.LayerNorm.$1"),
        (@"blk\.(\d+)\.attn_(q|k|v)\.(\w+)", "distilbert.transformer.layer.$1.attention.$2_lin.$3"),
        (@"blk\.(\d+)\.attn_output\.(\w+)", "distilbert.transformer.layer.$1.attention.out_lin.$2"),
        (@"blk\.(\d+)\.attn_output_norm\.(\w+)", "distilbert.transformer.layer.$1.sa_layer_norm.$2"),
        (@"blk\.(\d+)\.ffn_up\.(\w+)", "distilbert.transformer.layer.$1.ffn.lin1.$2"),
        (@"blk\.(\d+)\.ffn_down\.(\w+)", "distilbert.transformer.layer.$1.ffn.lin2.$2"),
        (@"blk\.(\d+)\.layer_output_norm\.(\w+)", "distilbert.transformer.layer.$1.output_layer_norm.$2"),
    ];

    [Theory]
    [InlineData(true, "cls.predictions.bias", "weight", "bias")]
    [InlineData(true, "cls.predictions.decoder.bias", "gamma", "beta")]
    [InlineData(false, "cls.predictions.decoder.bias", "weight", "bias")]
    public async Task The_head_of_a_BERT_checkpoint_fills_as_double_precision_does(bool isTied, string bias, string normWeight, string normBias)
    {
        var model = PlainBert.Create(isTied);
        using var folder = ReferenceCheckpoints.Make("bert-mean");
        if (!isTied)
        {
            var config = JsonNode.Parse(File.ReadAllText(Path.Combine(folder.Path, "config.json")))!.AsObject();
            config["tie_word_embeddings"] = false;
            folder.Write("config.json", config);
        }

        // A tied head that the checkpoint holds all the same is not read.
        folder.Add("cls.predictions.transform.dense.weight", model.Tensor("mlm_dense.weight"), 128, 128)
            .Add("cls.predictions.transform.dense.bias", model.Tensor("mlm_dense.bias"), 128)
            .Add("cls.predictions.transform.LayerNorm." + normWeight, model.Tensor("mlm_norm.weight"), 128)
            .Add("cls.predictions.transform.LayerNorm." + normBias, model.Tensor("mlm_norm.bias"), 128)
            .Add(bias, model.Tensor("mlm_output.bias"), 256)
            .Add("cls.predictions.decoder.weight", isTied ? new float[256 * 128] : model.Tensor("mlm_output.weight"), 256, 128)
            .Add("cls.seq_relationship.weight", new float[256], 2, 128).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        await using var filler = await MaskFiller.LoadAsync(folder.Output);

        Assert.InRange(ReferenceLogitsTests.Error(await MaskFillerTests.LogitsAsync(filler, new(_tokens, _masks)), PlainBert.Logits(model, _tokens, _masks, isTied)), 0, 1e-8);
        Assert.Equal("[MASK]", filler.MaskSpelling);
    }

    [Fact]
    public async Task DistilBERT_is_BERT_without_token_types()
    {
        var model = PlainBert.Create();
        model.Tensor("token_types.weight").AsSpan().Clear();
        using var folder = new CheckpointFolder();
        using var source = GgufFile.Open(ReferenceModels.File("bert-mean"));
        foreach (var tensor in source.Tensors.Where(tensor => tensor.Name != "token_types.weight"))
        {
            var (pattern, name) = _distil.Single(rule => Regex.IsMatch(tensor.Name, $"^{rule.Pattern}$"));
            folder.Add(Regex.Replace(tensor.Name, $"^{pattern}$", name), model.Tensor(tensor.Name), [.. tensor.Shape.ToArray().Reverse()]);
        }

        folder.Add("vocab_transform.weight", model.Tensor("mlm_dense.weight"), 128, 128).Add("vocab_transform.bias", model.Tensor("mlm_dense.bias"), 128)
            .Add("vocab_layer_norm.weight", model.Tensor("mlm_norm.weight"), 128).Add("vocab_layer_norm.bias", model.Tensor("mlm_norm.bias"), 128)
            .Add("vocab_projector.weight", model.Tensor("token_embd.weight"), 256, 128).Add("vocab_projector.bias", model.Tensor("mlm_output.bias"), 256)
            .Write("config.json", new JsonObject
            {
                ["architectures"] = new JsonArray("DistilBertForMaskedLM"),
                ["activation"] = "gelu",
                ["max_position_embeddings"] = 512,
                ["dim"] = 128,
                ["n_layers"] = 3,
                ["n_heads"] = 4,
                ["hidden_dim"] = 256,
                ["vocab_size"] = 256,
            }).Save();
        ModelConverter.Convert(folder.Path, folder.Output);
        await using var filler = await MaskFiller.LoadAsync(folder.Output);

        Assert.InRange(ReferenceLogitsTests.Error(await MaskFillerTests.LogitsAsync(filler, new(_tokens, _masks)), PlainBert.Logits(model, _tokens, _masks)), 0, 1e-8);
    }
}
